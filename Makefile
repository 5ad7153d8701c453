# Two commands do everything: `make run` and `make test`. The rest is for those who work on the code.

.PHONY: run test check fmt lint docs pure offload unit interop sim pairs fuzz soak schemathesis lossy survival bench deny tools clean

run:            ## build, start, place a call each way, stay up
	cargo run --release --quiet -p tandem -- demo

test: tools check unit   ## everything that must pass: style, tests, real clients, documentation, purity of core

check: fmt lint docs pure deny offload

fmt:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets --quiet -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

pure:           ## core touches no socket, clock or thread
	tools/check-core-pure

deny:           ## licences and arrows between crates
	tools/check-dependencies

offload:        ## the kernel's part of the relay is what its source says
	tools/build-offload --check

unit:           ## every test, those with real clients included
	cargo test --workspace --doc --quiet >/dev/null
	cargo build --quiet -p tandem
	cargo nextest run --workspace --no-fail-fast

interop:        ## only the tests with real clients
	cargo build --quiet -p tandem
	cargo nextest run -p tandem-interop --no-fail-fast --run-ignored all

sim:            ## random seeds on every core: SEEDS=n of them (default 10000) FROM=n on; SEED=n plays one and shows its ladder
	RUST_BACKTRACE=0 SEEDS=$${SEEDS:-10000} cargo test --profile sim --quiet -p tandem-sim --test sweep -- --exact random_networks --nocapture

pairs:          ## every two packets of every flow lost, doubled or late together: takes minutes
	RUST_BACKTRACE=0 cargo test --profile sim --quiet -p tandem-sim --test sweep -- --exact all_pairs_of_packets --ignored --nocapture

fuzz:           ## each fuzz target for SECONDS (default 900); prints what was found and how to replay it
	tools/fuzz $${SECONDS:-900}

soak:           ## MINUTES (default 60) of calls, media, registrations and changes on the release binary; nothing of it may be left
	cargo build --release --quiet -p tandem
	TANDEM_BIN=$${TANDEM_BIN:-$(CURDIR)/target/release/tandem} cargo test -p tandem-interop --test soak -- --exact soak --ignored --nocapture

schemathesis:   ## generated requests against the API: no 5xx, and nothing that its OpenAPI document does not describe
	tools/schemathesis

lossy:          ## CALLS calls (default 20000), 40 a second, over a network that loses, doubles and reorders
	cargo build --release --quiet -p tandem
	TANDEM_BIN=$${TANDEM_BIN:-$(CURDIR)/target/release/tandem} CALLS=$${CALLS:-20000} cargo test -p tandem-interop --test lossy -- --ignored --nocapture

survival:       ## KILLS crashes (default 10) and absent disks at length
	cargo build --release --quiet -p tandem
	TANDEM_BIN=$${TANDEM_BIN:-$(CURDIR)/target/release/tandem} cargo nextest run -p tandem-interop --test keeping --run-ignored all

bench:          ## side by side with Kamailio; writes docs/benchmarks.md (FULL=1 for the long one)
	cargo build --release --quiet -p tandem
	bench/run $${FULL:+--full}

tools:          ## what the tests need: Kamailio, baresip, SIPp, nextest
	tools/install-test-tools

clean:
	cargo clean
