//! Ids: one type for each kind of thing, so that none can be taken for another.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id of nothing.
            pub const NIL: $name = $name(Uuid::nil());

            /// An id that sorts by the moment it was made (UUID version 7): milliseconds since the Unix epoch and
            /// ten random bytes.
            pub fn new(unix_millis: u64, random: &[u8; 10]) -> $name {
                $name(uuid::Builder::from_unix_timestamp_millis(unix_millis, random).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<$name, uuid::Error> {
                text.parse().map($name)
            }
        }
    };
}

id!(
    /// A trunk.
    TrunkId
);
id!(
    /// A tenant.
    TenantId
);
id!(
    /// A schedule.
    ScheduleId
);
id!(
    /// An assignment of a trunk to a tenant.
    AssignmentId
);
id!(
    /// An inbound route.
    InboundRouteId
);
id!(
    /// An outbound route.
    RouteId
);
id!(
    /// An extension.
    ExtensionId
);
id!(
    /// A number (DID).
    NumberId
);
id!(
    /// A user.
    UserId
);
id!(
    /// A token.
    TokenId
);
id!(
    /// A webhook.
    WebhookId
);
id!(
    /// A rule for alerts.
    AlertRuleId
);
id!(
    /// A rate table.
    RateTableId
);
id!(
    /// An entry of the blocklist.
    BlockId
);
id!(
    /// A class of service.
    ClassOfServiceId
);
id!(
    /// A call; also the key of its record. Not the SIP Call-ID, of which a call has one a leg.
    CallId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_moment_they_were_made() {
        let early = TrunkId::new(1_700_000_000_000, &[0xff; 10]);
        let late = TrunkId::new(1_700_000_000_001, &[0; 10]);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.0.get_version_num(), 7);
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = CallId::new(1_700_000_000_000, &[7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::to_value(id).unwrap(), serde_json::json!(id.to_string()));
        assert!("office".parse::<CallId>().is_err());
    }

    #[test]
    fn debug_says_of_what_it_is_the_id() {
        assert_eq!(format!("{:?}", RouteId::NIL), "RouteId(00000000-0000-0000-0000-000000000000)");
    }
}
