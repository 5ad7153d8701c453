//! Rules on the entries of the blocklist.

use crate::blocks::Value;
use crate::findings::Findings;
use crate::{Block, BlockAction, BlockKind, Config};

/// Entries of a tenant, and of the system.
const MOST: usize = 100_000;
/// Patterns and ranges among them, each of which is looked at for every call.
const MOST_PATTERNS: usize = 1000;
const AGENT: std::ops::RangeInclusive<usize> = 3..=64;
const LONGEST_NOTE: usize = 255;

pub(super) fn check(after: &Config, block: &Block, findings: &mut Findings) {
    let of_door = matches!(block.kind, BlockKind::Ip | BlockKind::UserAgent);
    match Value::read(block.kind, &block.value) {
        Err(words) => {
            let (message, fix) = words.split_once("; ").unwrap_or((&words, "correct it"));
            findings.invalid("value", "BAD_FORMAT", message, fix);
        }
        Ok(Value::Agent(front))
            if !AGENT.contains(&front.chars().count()) || front.chars().any(char::is_control) =>
        {
            let fix = "give its first 3 to 64 characters, as `friendly-scanner`";
            findings.invalid("value", "BAD_FORMAT", "this is not how a User-Agent begins", fix);
        }
        Ok(Value::Pattern(_)) if after.block_patterns(block.tenant_id, block.kind) > MOST_PATTERNS => {
            let message = format!("these are more than {MOST_PATTERNS} patterns and ranges");
            let fix =
                "write numbers and beginnings, as `1900*`: those are found at once, however many there are";
            findings.invalid("value", "TOO_MANY", message, fix);
        }
        Ok(_) => {}
    }
    let fits = match block.action {
        BlockAction::Reject => true,
        BlockAction::Drop => of_door,
        BlockAction::Allow => block.kind == BlockKind::Ip,
    };
    if !fits {
        let kind = block.kind.key();
        let (message, fix) = match block.action {
            BlockAction::Drop => (
                format!("a call is not dropped for its {kind}: the carrier would take us for down"),
                "use `reject`",
            ),
            _ => (
                format!("there is nothing to allow a {kind}"),
                "only an `ip` is allowed; delete what blocks this one",
            ),
        };
        findings.invalid("action", "CONFLICTING_FIELDS", message, fix);
    }
    if of_door && block.tenant_id.is_some() {
        let message = "who is at the door is not known to be a tenant's yet";
        let fix = "a tenant blocks a `caller` or a `destination`; leave `tenant_id` out for the whole system";
        findings.invalid("tenant_id", "CONFLICTING_FIELDS", message, fix);
    }
    if block
        .note
        .as_ref()
        .is_some_and(|note| note.chars().count() > LONGEST_NOTE || note.contains(char::is_control))
    {
        let fix = format!("write it in one line of up to {LONGEST_NOTE} characters");
        findings.invalid("note", "BAD_FORMAT", "this is no note", fix);
    }
    if after.block_count(block.tenant_id) > MOST {
        let message = format!("there are {MOST} entries already");
        findings.conflict(
            "",
            "TOO_MANY",
            message,
            "delete what has expired, or write beginnings in the place of numbers",
        );
    }
}
