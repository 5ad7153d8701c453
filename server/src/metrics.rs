//! The metrics in Prometheus' text format. Counters are plain integers, read when somebody asks.

use crate::engine_loop::Figures;
use std::collections::BTreeMap;
use std::fmt::Write;
use tandem_model::{Config, TrunkId, TrunkQuality, TrunkState, TrunkStatus, WebhookId, WebhookStatus};

/// All metrics as text.
pub fn text(
    figures: &Figures,
    media: &tandem_relay::Totals,
    config: &Config,
    statuses: &BTreeMap<TrunkId, TrunkStatus>,
    records_waiting: usize,
    uptime: u64,
) -> String {
    let mut out = String::with_capacity(4096);
    let c = &figures.counters;
    let t = &figures.transactions;
    counter(&mut out, "tandem_sip_messages_received_total", "SIP messages received", c.messages_in);
    counter(&mut out, "tandem_sip_messages_sent_total", "SIP messages sent", c.messages_out);
    counter(&mut out, "tandem_sip_junk_total", "Datagrams that were no SIP message", c.junk);
    counter(&mut out, "tandem_sip_malformed_total", "Requests refused for their form", c.malformed);
    counter(&mut out, "tandem_sip_challenged_total", "Calls of unknown sources challenged", c.challenged);
    counter(
        &mut out,
        "tandem_sip_guests_total",
        "Calls of strangers let in by the direct token of an extension",
        c.guests,
    );
    counter(
        &mut out,
        "tandem_sip_refused_total",
        "Calls and registrations refused: unknown, unauthorised, ambiguous or unmatched",
        c.refused,
    );
    counter(
        &mut out,
        "tandem_sip_overloaded_total",
        "Calls and registrations turned away for load or shutdown",
        c.overloaded,
    );
    counter(
        &mut out,
        "tandem_sip_limited_total",
        "Requests turned away because their source sends too many",
        c.limited,
    );
    counter(
        &mut out,
        "tandem_sip_blocked_total",
        "Requests refused or dropped by the blocklist, or because their source gave too many wrong passwords",
        c.blocked,
    );
    counter(&mut out, "tandem_sip_retransmissions_sent_total", "Messages sent again", t.retransmits_sent);
    counter(
        &mut out,
        "tandem_sip_retransmissions_received_total",
        "Messages received again",
        t.retransmits_received,
    );
    counter(
        &mut out,
        "tandem_sip_overload_dropped_total",
        "Requests dropped because too many wait for their answer already",
        t.overload_dropped,
    );
    counter(
        &mut out,
        "tandem_sip_stray_responses_total",
        "Responses that answered nothing of ours",
        t.stray_responses,
    );
    counter(
        &mut out,
        "tandem_sip_large_requests_total",
        "Requests too large for a datagram that went over TCP",
        t.streamed,
    );
    counter(
        &mut out,
        "tandem_sip_large_requests_over_udp_total",
        "Those of them that went over UDP after all",
        t.fallen_back,
    );
    counter(
        &mut out,
        "tandem_sip_amplifying_answers_total",
        "Answers to strangers left out for their size",
        t.amplifying,
    );
    counter(&mut out, "tandem_calls_started_total", "Calls begun", c.calls_started);
    counter(&mut out, "tandem_calls_answered_total", "Calls answered", c.calls_answered);
    counter(&mut out, "tandem_calls_ended_total", "Calls ended", c.calls_ended);
    counter(&mut out, "tandem_failovers_total", "Attempts after which the next trunk was tried", c.failovers);
    counter(&mut out, "tandem_rtp_forwarded_total", "Media packets forwarded", media.forwarded);
    let offloaded = "Those of them that the kernel forwarded by itself, counted within ten seconds";
    counter(&mut out, "tandem_rtp_offloaded_total", offloaded, media.offloaded);
    counter(&mut out, "tandem_rtp_dropped_total", "Media packets dropped", media.dropped.total());
    counter(&mut out, "tandem_rtp_late_total", "Media packets that came after their call", media.late);
    gauge(&mut out, "tandem_calls", "Calls under way", figures.calls as u64);
    gauge(
        &mut out,
        "tandem_calls_kept",
        "Calls under way, and those over of which something is still on the wire",
        figures.calls_kept as u64,
    );
    gauge(
        &mut out,
        "tandem_sip_transactions",
        "Transactions, those that only wait for repetitions included",
        figures.open_transactions as u64,
    );
    gauge(&mut out, "tandem_registered_devices", "Devices registered", figures.bindings as u64);
    gauge(&mut out, "tandem_media_ports", "Media port pairs in use", figures.media_ports as u64);
    gauge(&mut out, "tandem_records_waiting", "Call records not written yet", records_waiting as u64);
    gauge(&mut out, "tandem_uptime_seconds", "Seconds since the start", uptime);
    trunks(&mut out, config, statuses);
    out
}

fn trunks(out: &mut String, config: &Config, statuses: &BTreeMap<TrunkId, TrunkStatus>) {
    let mut family = |name: &str, help: &str, value: &dyn Fn(&TrunkStatus) -> Option<f64>| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (id, trunk) in config.trunks.iter() {
            if let Some(value) = statuses.get(id).and_then(value) {
                let _ = writeln!(out, "{name}{{trunk=\"{}\",id=\"{id}\"}} {value}", escape(&trunk.name));
            }
        }
    };
    family("tandem_trunk_up", "Whether calls can be sent to the trunk", &|status| {
        Some(f64::from(u8::from(is_up(status.state))))
    });
    family("tandem_trunk_calls", "Calls on the trunk", &|status| Some(f64::from(status.calls)));
    family("tandem_trunk_rtt_seconds", "Round trip of the last OPTIONS", &|status| {
        status.rtt_ms.map(|ms| ms / 1000.0)
    });
}

/// How well calls go over each trunk.
pub fn quality(out: &mut String, config: &Config, all: &BTreeMap<TrunkId, TrunkQuality>) {
    type Value<'a> = &'a dyn Fn(&TrunkQuality) -> Option<f64>;
    let mut family = |name: &str, kind: &str, help: &str, value: Value| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (id, quality) in all {
            if let (Some(trunk), Some(value)) = (config.trunks.get(id), value(quality)) {
                let _ = writeln!(out, "{name}{{trunk=\"{}\",id=\"{id}\"}} {value}", escape(&trunk.name));
            }
        }
    };
    let counters: [(&str, &str, Value); 4] = [
        ("tandem_trunk_attempts_total", "Calls tried on the trunk", &|q| Some(q.total.attempts as f64)),
        ("tandem_trunk_answered_total", "Those that were answered", &|q| Some(q.total.answered as f64)),
        ("tandem_trunk_failovers_total", "Attempts after which another was tried", &|q| {
            Some(q.total.failovers as f64)
        }),
        ("tandem_trunk_rtp_received_total", "Media packets from the trunk, of calls that ended", &|q| {
            Some(q.total.packets as f64)
        }),
    ];
    for (name, help, value) in counters {
        family(name, "counter", help, value);
    }
    let gauges: [(&str, &str, Value); 6] = [
        ("tandem_trunk_asr_ratio", "Answered of tried calls, last 15 minutes", &|q| {
            q.recent.asr.map(|asr| asr / 100.0)
        }),
        (
            "tandem_trunk_ner_ratio",
            "Calls that reached the called side of those tried, last 15 minutes",
            &|q| q.recent.ner.map(|ner| ner / 100.0),
        ),
        ("tandem_trunk_pdd_seconds", "Mean post-dial delay, last 15 minutes", &|q| {
            q.recent.pdd_ms.map(|ms| ms / 1000.0)
        }),
        (
            "tandem_trunk_pdd_p95_seconds",
            "Post-dial delay that 95 of 100 calls stayed within, last 15 minutes",
            &|q| q.recent.pdd_p95_ms.map(|ms| f64::from(ms) / 1000.0),
        ),
        ("tandem_trunk_loss_ratio", "Media packets lost on the way from the trunk, last 15 minutes", &|q| {
            q.recent.loss.map(|loss| loss / 100.0)
        }),
        ("tandem_trunk_jitter_seconds", "Mean interarrival jitter, last 15 minutes", &|q| {
            q.recent.jitter_ms.map(|ms| ms / 1000.0)
        }),
    ];
    for (name, help, value) in gauges {
        family(name, "gauge", help, value);
    }
}

/// What has come of deliveries to each webhook.
pub fn webhooks(out: &mut String, config: &Config, all: &BTreeMap<WebhookId, WebhookStatus>) {
    let mut family = |name: &str, kind: &str, help: &str, value: &dyn Fn(&WebhookStatus) -> u64| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (id, status) in all {
            let label = config.webhooks.get(id).map(|hook| escape(&hook.name)).unwrap_or_default();
            let _ = writeln!(out, "{name}{{webhook=\"{label}\",id=\"{id}\"}} {}", value(status));
        }
    };
    family("tandem_webhook_waiting", "gauge", "Events that wait for the webhook", &|status| status.waiting);
    family("tandem_webhook_dropped_total", "counter", "Events that were given up", &|status| status.dropped);
}

fn is_up(state: TrunkState) -> bool {
    matches!(
        state,
        TrunkState::Registered | TrunkState::Reachable | TrunkState::Static | TrunkState::Degraded
    )
}

fn counter(out: &mut String, name: &str, help: &str, value: u64) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
}

fn gauge(out: &mut String, name: &str, help: &str, value: u64) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
}

/// A label value may hold anything but these three unescaped.
fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunk_name_cannot_break_out_of_its_label() {
        assert_eq!(escape("a\"} 1\nx \\"), "a\\\"} 1\\nx \\\\");
    }
}
