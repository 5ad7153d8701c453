//! How a trunk wants to be written to: who we are there, and where.

use super::{InboundExtension, Trunk};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// The user part of our Contact at a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContactUser {
    /// The account name.
    #[default]
    Username,
    /// `gw+` and the trunk's slug, as FreeSWITCH writes it.
    Token,
    /// The trunk's inbound extension.
    Extension,
}

/// What stands in From instead of a domain of the trunk's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FromCopy {
    /// The host of the caller's own From.
    Domain,
    /// The whole of the caller's own From.
    Full,
}

impl FromCopy {
    /// The words for it, FreeSWITCH's included.
    pub(crate) fn parse(text: &str) -> Option<FromCopy> {
        match text {
            "aleg_domain" | "auto-aleg-domain" => Some(FromCopy::Domain),
            "aleg_full" | "auto-aleg-full" => Some(FromCopy::Full),
            _ => None,
        }
    }
}

/// `from_user` for the caller's number.
pub(crate) const CALLER: &str = "caller";

impl Trunk {
    /// What From is copied from, where `from_domain` says so.
    pub fn from_copy(&self) -> Option<FromCopy> {
        self.from_domain.as_deref().and_then(FromCopy::parse)
    }

    /// The host that `from_domain` names.
    pub fn named_domain(&self) -> Option<&str> {
        self.from_domain.as_deref().filter(|text| FromCopy::parse(text).is_none())
    }

    /// The user part of From is the caller's number.
    pub fn caller_is_from_user(&self) -> bool {
        self.caller_id_in_from || self.from_user.as_deref() == Some(CALLER)
    }

    /// The user part of our Contact; `None` where the trunk has no account to name.
    pub fn contact_name(&self) -> Option<Cow<'_, str>> {
        match self.contact_user {
            ContactUser::Token => Some(self.contact_token().into()),
            ContactUser::Extension => match self.called_extension() {
                InboundExtension::Fixed(fixed) => Some(fixed.into()),
                _ => self.username.as_deref().map(Cow::Borrowed),
            },
            ContactUser::Username => self.username.as_deref().map(Cow::Borrowed),
        }
    }

    /// `gw+` and the slug.
    pub fn contact_token(&self) -> String {
        format!("gw+{}", self.slug)
    }

    /// What stands behind the user in our Contact: `own` is our address as the trunk sees it, `host:port` and perhaps
    /// `;transport=...`. `contact_host` takes the place of its host, `contact_params` come before its parameters.
    pub fn contact_tail(&self, own: &str) -> String {
        let (at, params) = own.split_once(';').map_or((own, ""), |(at, params)| (at, params));
        let port = at.rsplit_once(':').filter(|(host, _)| !host.ends_with(':')).map(|(_, port)| port);
        let mut tail = match (&self.contact_host, port) {
            (None, _) => at.to_owned(),
            (Some(host), Some(port)) => with_port(host, port),
            (Some(host), None) => host.clone(),
        };
        let more = self.contact_params.as_deref().unwrap_or("").trim_matches([';', ' ']);
        for params in [more, params].into_iter().filter(|params| !params.is_empty()) {
            tail.push(';');
            tail.push_str(params);
        }
        tail
    }
}

/// `host` as it stands in a URI, with this port unless it names one itself.
fn with_port(host: &str, port: &str) -> String {
    if host.parse::<std::net::Ipv6Addr>().is_ok() {
        return format!("[{host}]:{port}");
    }
    let has_port = match host.strip_prefix('[') {
        Some(rest) => !rest.ends_with(']'),
        None => host.contains(':'),
    };
    if has_port { host.to_owned() } else { format!("{host}:{port}") }
}

/// The slug of a name, where it can be made of one: what is no letter, digit, `.`, `_` or `-` becomes `-`.
pub(crate) fn slug_of(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let slug: String = name.trim().chars().map(|c| if legal(c) { c } else { '-' }).take(48).collect();
    let slug = slug.trim_matches('-');
    slug.contains(|c: char| c.is_ascii_alphanumeric()).then(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entity, Kind};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn trunk(more: Value) -> Arc<Trunk> {
        let mut body = json!({ "name": "My Carrier", "host": "sip.example" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        match Entity::create(Kind::Trunk, uuid::Uuid::nil(), body).unwrap() {
            Entity::Trunk(trunk) => trunk,
            _ => unreachable!("a trunk was asked for"),
        }
    }

    #[test]
    fn a_slug_is_made_of_the_name() {
        assert_eq!(trunk(json!({})).contact_token(), "gw+My-Carrier");
        assert_eq!(slug_of(" Ünï 7 ").as_deref(), Some("n--7"));
        assert_eq!(slug_of("№"), None);
        assert!(trunk(json!({ "name": "№" })).slug.starts_with("trunk-"));
    }

    #[test]
    fn a_contact_has_our_address_unless_another_is_given() {
        let tail = |more: Value, own: &str| trunk(more).contact_tail(own);
        assert_eq!(tail(json!({}), "192.0.2.1:5060;transport=tcp"), "192.0.2.1:5060;transport=tcp");
        let params = json!({ "contact_params": "line=1;ob" });
        assert_eq!(
            tail(params, "[2001:db8::1]:5060;transport=tcp"),
            "[2001:db8::1]:5060;line=1;ob;transport=tcp"
        );
        for (host, written) in [
            ("pbx.example", "pbx.example:5070"),
            ("pbx.example:5080", "pbx.example:5080"),
            ("2001:db8::7", "[2001:db8::7]:5070"),
            ("[2001:db8::7]", "[2001:db8::7]:5070"),
            ("[2001:db8::7]:5080", "[2001:db8::7]:5080"),
        ] {
            assert_eq!(tail(json!({ "contact_host": host }), "192.0.2.1:5070"), written);
        }
    }
}
