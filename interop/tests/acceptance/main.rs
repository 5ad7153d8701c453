//! The forms of five systems, each filled in as its own document shows it, on the real binary among real peers.

mod freeswitch;
mod mikopbx;
mod portsip;
mod ring2all;
mod voipbin;

use std::fs;
use std::time::Duration;

use serde_json::Value;
use tandem_interop::baresip::Phone;
use tandem_interop::process::work_dir;
use tandem_interop::tandem::{Server, run};

/// The secret of every account.
const PASSWORD: &str = "account-secret";

/// A registered phone of an extension that is made for it.
fn phone(tandem: &Server, user: &str) -> Phone {
    tandem.extension(user);
    let mut phone = tandem.phone(user).start();
    phone.wait_registered();
    phone
}

fn patch(tandem: &Server, path: &str, body: Value) -> Value {
    tandem.rest().patch(&format!("/v1.0/{path}"), &body).ok()
}

/// Imports a text on the command line; what it says.
fn import(tandem: &Server, text: &str, args: &[&str]) -> String {
    let folder = work_dir("import");
    let file = folder.path().join("import.txt");
    fs::write(&file, text).expect("a file");
    let url = format!("http://{}", tandem.rest().addr());
    let mut all = vec!["import", file.to_str().expect("a path"), "--url", &url, "--token", tandem.token()];
    all.extend(args);
    let (status, said) = run(&all, Duration::from_secs(30));
    assert!(status.success(), "{said}");
    said
}
