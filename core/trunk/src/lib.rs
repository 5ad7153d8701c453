//! A trunk's life: where it is, our registration there, its health and status; and the registrar for those who register to us.
//!
//! [`Trunks`] keeps every trunk of the configuration: it has its host looked up (`target`), registers there
//! (`registration`), asks for its health (`health`) and says in plain words how it is (`status`). [`Registrar`] is the
//! other direction: it checks who asks (`authentication`), keeps where they are (`bindings`) and answers REGISTER.

mod authentication;
mod bindings;
mod contact;
mod domains;
mod examinee;
mod guard;
mod health;
mod index;
mod live;
mod local;
mod register_request;
mod registrar;
mod registration;
mod request;
mod retry;
mod shy;
mod status;
mod target;
mod trunks;
mod words;

pub use authentication::Authentication;
pub use bindings::Contact;
pub use examinee::{Examinee, Purpose};
pub use guard::{GuardLimits, network};
pub use local::Local;
pub use registrar::{Registrar, RegistrarConfig, RegistrarOutput};
pub use tandem_model::BindingChange;
pub use target::{Query, Resolved, Target};
pub use trunks::{TrunkOutput, Trunks};

use tandem_sip_txn::Owner;

/// Transaction owners with this bit set belong to [`Trunks`]; the engine hands their events on without looking further.
pub const OWNER_BIT: Owner = 1 << 63;

/// The Contact URI parameter that tells a registration's calls apart.
pub const CONTACT_TOKEN: &str = "gw";
