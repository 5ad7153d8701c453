//! A transfer that the peer asks for (RFC 3515): its REFER, the subscription that comes with it, and the NOTIFYs that tell how it
//! goes.

use super::{Leg, LegEvent, PRODUCT, State};
use crate::Sip;
use std::collections::VecDeque;
use std::time::Duration;
use tandem_sip_msg::{Header, Message, Method, NameAddr, Replaces, Scheme, Writer, standard_reason};
use tandem_sip_txn::{ClientKey, ServerKey};
use tandem_time::Time;

const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// For how long a transfer is reported on: longer than one may take.
const SUBSCRIBED: Duration = Duration::from_secs(300);

/// Whom the peer wants the other side to be connected to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refer {
    /// The user part of the URI in Refer-To: the number.
    pub target: String,
    /// The dialog that the target has with the peer already: an attended transfer.
    pub replaces: Option<Replaces>,
}

/// How far a REFER is; one at a time.
pub(super) enum Referral {
    None,
    /// It waits for the call to accept or refuse it.
    Asked {
        key: ServerKey,
        id: Option<u32>,
        silent: bool,
    },
    /// Accepted; the peer wants to hear nothing of it (RFC 4488).
    Silent,
    /// Accepted; the peer is told how it goes.
    Subscribed(Box<Subscription>),
}

/// The implicit subscription (RFC 3515 §2.4.4).
pub(super) struct Subscription {
    /// The CSeq number of the REFER, where it is not the first of its dialog (RFC 3515 §2.4.6).
    id: Option<u32>,
    until: Time,
    /// The NOTIFY without a final response; only one at a time.
    under_way: Option<(ClientKey, News)>,
    /// What is to be told after it.
    waiting: VecDeque<News>,
}

/// What a NOTIFY tells: a status line.
#[derive(Clone)]
struct News {
    code: u16,
    phrase: String,
}

impl News {
    fn is_last(&self) -> bool {
        self.code >= 200
    }
}

impl Leg {
    /// Whether the peer may ask for transfers.
    pub fn take_refers(&mut self, may: bool) {
        self.takes_refers = may;
    }

    /// A REFER has been accepted and its outcome was not told yet.
    pub fn is_referring(&self) -> bool {
        match &self.referral {
            Referral::None | Referral::Asked { .. } => false,
            Referral::Silent => true,
            Referral::Subscribed(subscription) => !subscription.is_told(),
        }
    }

    pub(super) fn on_refer(&mut self, key: ServerKey, message: &Message, sip: &mut Sip) {
        if !self.takes_refers {
            return self.reply(key, message, 403, "Transfer Not Allowed", sip);
        }
        match self.state {
            State::Confirmed => {}
            State::Closing { .. } => return self.reply(key, message, 481, "Call Is Ending", sip),
            _ => return self.reply_retry_later(key, message, sip),
        }
        if !matches!(self.referral, Referral::None) {
            return self.reply(key, message, 491, "Request Pending", sip);
        }
        let refer = match read(message) {
            Ok(refer) => refer,
            Err((code, phrase)) => return self.reply(key, message, code, phrase, sip),
        };
        let silent = message.header_named("Refer-Sub").is_some_and(is_false);
        let id = self.refers_taken.then_some(message.cseq());
        self.refers_taken = true;
        self.referral = Referral::Asked { key, id, silent };
        self.events.push_back(LegEvent::Referred(refer));
    }

    /// Accepts the peer's REFER. [`Leg::tell_referrer`] is due, in the end with a final status.
    pub fn accept_refer(&mut self, sip: &mut Sip) {
        let Referral::Asked { key, id, silent } = self.referral else { return };
        self.answer_refer(key, 202, "Accepted", silent, sip);
        if silent {
            self.referral = Referral::Silent;
            return;
        }
        let until = sip.now + SUBSCRIBED;
        let (under_way, waiting) = (None, VecDeque::new());
        self.referral = Referral::Subscribed(Box::new(Subscription { id, until, under_way, waiting }));
        // At once, whatever is known (RFC 3515 §2.4.4).
        self.tell_referrer(100, standard_reason(100), sip);
    }

    /// Refuses the peer's REFER.
    pub fn refuse_refer(&mut self, code: u16, phrase: &str, sip: &mut Sip) {
        if let Referral::Asked { key, .. } = self.referral {
            self.answer_refer(key, code, phrase, false, sip);
            self.referral = Referral::None;
        }
    }

    fn answer_refer(&mut self, key: ServerKey, code: u16, phrase: &str, silent: bool, sip: &mut Sip) {
        let Some((request, flow)) = sip.txn.request_of(key) else { return };
        let mut w = Writer::reply(request, flow.remote, code, phrase, Some(&self.dialog.local_tag));
        if code < 300 {
            w.header(Header::Contact, &self.dialog.contact);
        }
        if silent {
            w.named("Refer-Sub", false);
        }
        w.header(Header::Server, PRODUCT);
        sip.txn.respond(key, code, w.finish(), sip.now);
    }

    /// Tells the peer how its transfer goes; 200 and above end it. What it was told last is not told again.
    pub fn tell_referrer(&mut self, code: u16, phrase: &str, sip: &mut Sip) {
        let news = News { code, phrase: phrase.to_owned() };
        match &mut self.referral {
            Referral::Silent if news.is_last() => self.referral = Referral::None,
            Referral::Subscribed(subscription) if !subscription.is_told() => {
                if subscription.last().is_some_and(|last| last.code == code) {
                    return;
                }
                // Progress that is overtaken is of no interest.
                subscription.waiting.clear();
                subscription.waiting.push_back(news);
                self.notify_next(sip);
            }
            _ => {}
        }
    }

    fn notify_next(&mut self, sip: &mut Sip) {
        if let Referral::Subscribed(subscription) = &mut self.referral
            && subscription.under_way.is_none()
            && let Some(news) = subscription.waiting.pop_front()
        {
            self.notify(news, None, sip);
        }
    }

    fn notify(&mut self, news: News, credentials: Option<(Header, String)>, sip: &mut Sip) {
        let Referral::Subscribed(subscription) = &mut self.referral else { return };
        let mut w = self.dialog.request(Method::Notify);
        w.header(Header::Contact, &self.dialog.contact);
        w.header(Header::UserAgent, PRODUCT);
        match subscription.id {
            Some(id) => w.header(Header::Event, format_args!("refer;id={id}")),
            None => w.header(Header::Event, "refer"),
        };
        if news.is_last() {
            w.named("Subscription-State", "terminated;reason=noresource");
        } else {
            let left = subscription.until.since(sip.now).as_secs();
            w.named("Subscription-State", format_args!("active;expires={left}"));
        }
        if let Some((name, value)) = credentials {
            w.header(name, value);
        }
        // The phrase is a peer's: it must not become a further line of the fragment.
        let phrase: String = news.phrase.chars().filter(|c| !c.is_control()).collect();
        let fragment = format!("SIP/2.0 {} {phrase}\r\n", news.code);
        let bytes = w.finish_with(SIPFRAG, fragment.as_bytes());
        let key = sip.txn.request(bytes, self.dialog.flow, self.owner, sip.rng, sip.now);
        subscription.under_way = Some((key, news));
    }

    pub(super) fn is_notified_by(&self, key: ClientKey) -> bool {
        let Referral::Subscribed(subscription) = &self.referral else { return false };
        subscription.under_way.as_ref().is_some_and(|(at, _)| *at == key)
    }

    pub(super) fn notify_response(&mut self, message: &Message, sip: &mut Sip) {
        let Referral::Subscribed(subscription) = &mut self.referral else { return };
        match message.code().unwrap_or(500) {
            100..=199 => {}
            200..=299 => {
                let told = subscription.under_way.take().is_some_and(|(_, news)| news.is_last());
                if let Some(digest) = &mut self.digest {
                    digest.accepted();
                }
                match told {
                    true => self.referral = Referral::None,
                    false => self.notify_next(sip),
                }
            }
            401 | 407 => {
                let uri = self.dialog.remote_target.clone();
                let answer =
                    self.digest.as_mut().and_then(|d| d.answer(message, "NOTIFY", &uri, sip.rng).ok());
                match (answer, subscription.under_way.take()) {
                    (Some(credentials), Some((_, news))) => self.notify(news, Some(credentials), sip),
                    _ => self.referral = Referral::None,
                }
            }
            // The subscription is over (RFC 6665 §4.2.2); the call is not (RFC 5057 §5.1).
            _ => self.referral = Referral::None,
        }
    }

    pub(super) fn notify_failed(&mut self) {
        self.referral = Referral::None;
    }
}

impl Subscription {
    /// The last news is under way, or will be.
    fn is_told(&self) -> bool {
        self.last().is_some_and(News::is_last)
    }

    fn last(&self) -> Option<&News> {
        self.waiting.back().or(self.under_way.as_ref().map(|(_, news)| news))
    }
}

/// What a REFER asks for, or how it is refused.
fn read(message: &Message) -> Result<Refer, (u16, &'static str)> {
    let mut values = message.headers(Header::ReferTo);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err((400, "One Refer-To Is Needed"));
    };
    let uri = NameAddr::parse(value).ok_or((400, "Bad Refer-To"))?.uri();
    if !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips | Scheme::Tel) {
        return Err((416, "Unsupported URI Scheme"));
    }
    if uri.params().get("method").is_some_and(|method| Method::parse(method) != Method::Invite) {
        return Err((501, "Only Calls Are Transferred"));
    }
    let mut replaced = uri.embedded("Replaces");
    let replaces = match (replaced.next(), replaced.next()) {
        (None, _) => None,
        (Some(one), None) => Some(Replaces::parse(&one).ok_or((400, "Bad Replaces In Refer-To"))?),
        (Some(_), Some(_)) => return Err((400, "Several Replaces In Refer-To")),
    };
    let target = uri.user_unescaped().map(|user| user.into_owned()).unwrap_or_default();
    Ok(Refer { target, replaces })
}

/// `false` with or without parameters (RFC 4488 §4).
fn is_false(value: &str) -> bool {
    value.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("false")
}
