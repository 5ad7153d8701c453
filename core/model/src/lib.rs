//! The vocabulary: ids, trunks, routes, extensions, numbers, the configuration snapshot, call records, statuses and
//! events. Names are those of the API, and every rule about what may stand in a configuration is kept here, so that
//! the API, the command line and an importer refuse the same things in the same words.

mod alert;
mod assignment;
mod binding;
mod block;
mod blocks;
mod body;
mod captured;
mod cause;
mod changed;
mod class_of_service;
mod config;
mod country;
mod doctor;
mod entity;
mod event;
mod explain;
mod extension;
mod findings;
mod forward;
mod id;
mod inbound;
mod index;
mod inventory;
mod network;
mod number;
mod numbering;
mod pattern;
mod pool;
mod pools;
mod preset;
mod problem;
mod query;
mod rate;
mod read;
mod record;
mod route;
mod rules;
mod schedule;
mod secret;
mod status;
mod suggest;
mod tenant;
mod trunk;
mod user;
mod warning;
mod webhook;

pub use alert::{Alert, AlertDefaults, AlertKind, AlertRule};
pub use assignment::Assignment;
pub use binding::{Binding, BindingChange, BindingOwner};
pub use block::{Block, BlockAction, BlockKind, BlockSource};
pub use captured::{Captured, CapturedMessage};
pub use cause::{Cause, q850_of};
pub use class_of_service::{CallKind, ClassOfService, Reach};
pub use config::{Change, Config};
pub use country::country_of;
pub use doctor::{
    Diagnosis, ExamReport, ExamStage, Examination, FOR as FINDINGS, Finding, NoExamination, StageOutcome,
    StageReport, TestCall,
};
pub use entity::{Entity, Kind};
pub use event::{Event, EventTypes, Health, Published, Skipped, Tried};
pub use explain::{Explanation, Looked, Question, Try};
pub use extension::{Anonymous, DeviceTransport, Extension};
pub use forward::{ForwardReason, Forwarded};
pub use id::{
    AlertRuleId, AssignmentId, BlockId, CallId, ClassOfServiceId, ExtensionId, InboundRouteId, NumberId,
    RateTableId, RouteId, ScheduleId, TenantId, TokenId, TrunkId, UserId, WebhookId,
};
pub use inbound::{CallerMatch, Destination, Did, DidForm, InboundRoute, Particular};
pub use inventory::{AvailableNumber, WantedNumber};
pub use number::{Digits, Number, NumberStatus, NumberType};
pub use pattern::{Pattern, PatternError};
pub use pool::{Interval, Pool, PoolError};
pub use preset::{Fact, Preset, presets};
pub use problem::{Problem, Rejection, RejectionKind};
pub use query::{RecordPage, RecordQuery};
pub use rate::{Charge, Money, Rate, RateTable};
pub use record::{
    Attempt, CallRecord, Direction, MediaRecord, Outcome, Party, Side, TransferKind, TransferRecord,
};
pub use route::{FailoverOn, OnExhausted, PinClass, Route, RouteMatch, Step, Strategy};
pub use schedule::{Clock, Date, Day, Holiday, Hours, Openness, Schedule};
pub use secret::Secret;
pub use status::{
    LiveCall, LiveCallState, RegistrationState, RegistrationView, TrunkState, TrunkStatus, WebhookStatus,
};
pub use status::{Quality, TrunkQuality};
pub use tenant::{RecordingPolicy, Tenant, TenantStatus, UnownedCallerId};
pub use trunk::{
    AuthAlgorithm, Capture, CidSource, Codec, ContactUser, Delimiters, DidSource, DiversionMode, Dtmf,
    Extract, FromCopy, IdentityHeader, InboundExtension, MediaEncryption, NumberFormat, PingAccept,
    PrivacyDefault, SignallingTransport, StirAttest, StirPolicy, Technology, Trunk, TrunkMode, Vars, expand,
};
pub use user::{Role, Token, User};
pub use warning::Warning;
pub use webhook::Webhook;
