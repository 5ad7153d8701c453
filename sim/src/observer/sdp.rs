//! Descriptions of sessions, read by other means than those of the server.

use std::collections::BTreeSet;

/// A description.
pub(super) struct Description {
    /// The id and version of its `o=` line.
    pub(super) origin: (String, u64),
    lines: Vec<Line>,
}

struct Line {
    media: String,
    port: u32,
    proto: String,
    formats: BTreeSet<String>,
    /// Names of encodings, in lower case.
    encodings: BTreeSet<String>,
    direction: String,
}

impl Description {
    pub(super) fn read(bytes: &[u8]) -> Result<Description, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "its SDP is not UTF-8")?;
        let mut origin = None;
        let mut session = "sendrecv".to_owned();
        let mut lines: Vec<Line> = Vec::new();
        for line in text.split_terminator("\r\n") {
            let (kind, value) = line.split_once('=').ok_or_else(|| format!("{line:?} in its SDP"))?;
            match kind {
                "o" => {
                    let mut fields = value.split(' ').skip(1);
                    let id = fields.next().unwrap_or_default().to_owned();
                    let version = fields.next().and_then(|version| version.parse().ok());
                    origin = Some((id, version.ok_or_else(|| format!("{line:?} in its SDP"))?));
                }
                "m" => lines.push(Line::read(value, &session).ok_or_else(|| format!("{line:?} in its SDP"))?),
                "a" => match (value, lines.last_mut()) {
                    ("sendrecv" | "sendonly" | "recvonly" | "inactive", Some(last)) => {
                        value.clone_into(&mut last.direction);
                    }
                    ("sendrecv" | "sendonly" | "recvonly" | "inactive", None) => {
                        value.clone_into(&mut session)
                    }
                    (value, Some(last)) => last.encodings.extend(encoding(value)),
                    _ => {}
                },
                _ => {}
            }
        }
        let origin = origin.ok_or("its SDP has no o= line")?;
        Ok(Description { origin, lines })
    }

    /// Whether this answers an offer (RFC 3264 §6).
    pub(super) fn answers(&self, offer: &Description) -> Result<(), String> {
        if self.lines.len() != offer.lines.len() {
            return Err(format!("{} media lines answer {}", self.lines.len(), offer.lines.len()));
        }
        for (ours, theirs) in self.lines.iter().zip(&offer.lines) {
            if (&ours.media, &ours.proto) != (&theirs.media, &theirs.proto) {
                return Err(format!(
                    "{} {} answers {} {}",
                    ours.media, ours.proto, theirs.media, theirs.proto
                ));
            }
            if ours.port == 0 {
                continue;
            }
            if theirs.port == 0 {
                return Err(format!("{} was offered with port 0 and is answered with another", ours.media));
            }
            let common = ours.formats.iter().any(|format| theirs.formats.contains(format))
                || ours.encodings.iter().any(|name| theirs.encodings.contains(name));
            if !common {
                return Err(format!("none of the formats {:?} was offered", ours.formats));
            }
            let fits = match theirs.direction.as_str() {
                "sendonly" => ["recvonly", "inactive"].contains(&ours.direction.as_str()),
                "recvonly" => ["sendonly", "inactive"].contains(&ours.direction.as_str()),
                "inactive" => ours.direction == "inactive",
                _ => true,
            };
            if !fits {
                return Err(format!("{} answers {}", ours.direction, theirs.direction));
            }
        }
        Ok(())
    }
}

impl Line {
    fn read(value: &str, direction: &str) -> Option<Line> {
        let mut fields = value.split(' ');
        let media = fields.next()?.to_owned();
        let port = fields.next()?.split('/').next()?.parse().ok().filter(|port| *port < 1 << 16)?;
        let proto = fields.next()?.to_owned();
        let formats: BTreeSet<String> = fields.map(str::to_owned).collect();
        let direction = direction.to_owned();
        (!formats.is_empty()).then_some(Line {
            media,
            port,
            proto,
            formats,
            encodings: BTreeSet::new(),
            direction,
        })
    }
}

/// `pcmu/8000` of `rtpmap:0 PCMU/8000`.
fn encoding(attribute: &str) -> Option<String> {
    let (_, encoding) = attribute.strip_prefix("rtpmap:")?.split_once(' ')?;
    Some(encoding.to_ascii_lowercase())
}
