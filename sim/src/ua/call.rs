//! A call as a user agent sees it.

use super::Ua;
use super::calling::Line;
use super::media::Media;
use super::referring::News;
use super::reliable::Reliable;
use super::session::Session;
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sdp::Direction;
use tandem_sip_msg::Message;
use tandem_time::Time;

/// How far a call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// An INVITE was sent or received, and nothing more.
    Calling,
    /// It rings, here or there.
    Ringing,
    /// It was answered.
    Talking,
    /// It is over.
    Over,
}

/// One call.
pub struct UaCall {
    /// How far it is.
    pub stage: Stage,
    /// Whether we called.
    pub is_outgoing: bool,
    /// Who was called: the user part of the Request-URI.
    pub called: String,
    /// From, as received or sent.
    pub from: String,
    /// The INVITE, when it was received.
    pub invite: Option<Message>,
    /// The final status of the INVITE.
    pub code: Option<u16>,
    /// Its phrase.
    pub phrase: String,
    /// Provisional statuses heard, in order.
    pub heard: Vec<u16>,
    /// `Reason` values of what ended it.
    pub reasons: Vec<String>,
    /// BYE came, and who sent it: we (`false`) or the peer (`true`).
    pub ended_by_peer: Option<bool>,
    /// Its answer was never acknowledged.
    pub never_acked: bool,
    /// re-INVITEs received.
    pub changes: u32,
    /// The final status of our last re-INVITE.
    pub change_code: Option<u16>,
    /// PRACKs sent or received that acknowledged something.
    pub pracks: u32,
    /// The final status of our last PRACK.
    pub prack_code: Option<u16>,
    /// UPDATEs received and accepted.
    pub updates: u32,
    /// The final status of our last UPDATE.
    pub update_code: Option<u16>,
    /// Refreshes of the session that the peer sent.
    pub refreshed: u32,
    /// It hung up because nobody refreshed the session.
    pub expired: bool,
    /// What the peer last said of its media.
    pub remote_sdp: Option<Bytes>,
    /// The final status of our last REFER.
    pub refer_code: Option<u16>,
    /// What we were told of our last REFER.
    pub notified: Vec<News>,
    /// The final status of our last INFO.
    pub info_code: Option<u16>,
    /// INFOs received: the type of the body and the body.
    pub informed: Vec<(String, String)>,
    /// When it was answered.
    pub answered_at: Option<Time>,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) remote_tag: Option<String>,
    pub(super) remote_target: String,
    pub(super) peer: SocketAddr,
    pub(super) cseq: u32,
    pub(super) invite_branch: String,
    /// CSeq number of the INVITE with that branch.
    pub(super) invite_cseq: u32,
    pub(super) cancelled: bool,
    pub(super) cancel_sent: bool,
    /// Hung up, but the BYE has to wait for the ACK.
    pub(super) bye_when_acked: bool,
    /// How an outgoing INVITE was addressed.
    pub(super) line: Option<Line>,
    /// What it last said that it does with media.
    pub(super) direction: Direction,
    pub(super) media: Media,
    pub(super) sdp_version: u64,
    /// Answer (or refuse) the INVITE at this moment.
    pub(super) act_at: Option<(Time, Act)>,
    /// Our final response to an INVITE, repeated until the ACK comes.
    pub(super) unacked: Option<Unacked>,
    /// The ACKs we sent by CSeq number, for repeated 2xx.
    pub(super) acks: Vec<(u32, Bytes)>,
    /// Our last re-INVITE had no offer.
    pub(super) late_change: bool,
    /// Our last re-INVITE only refreshes.
    pub(super) refreshing: bool,
    pub(super) reliable: Reliable,
    pub(super) session: Option<Session>,
    /// The least session interval that the peer was heard to bear.
    pub(super) min_se: u32,
    pub(super) peer_takes_update: bool,
    /// Our UPDATE with an offer that has no answer yet.
    pub(super) update_branch: Option<String>,
    /// One of several branches that an INVITE was forked to.
    pub(super) is_branch: bool,
    /// A REFER of ours was not refused, and its end not told.
    pub(super) subscribed: bool,
}

/// What is due on an incoming call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    Answer { talks: bool },
    Refuse(u16),
}

pub(super) struct Unacked {
    /// It is a 2xx: without an ACK the call is ended.
    pub(super) is_answer: bool,
    pub(super) bytes: Bytes,
    pub(super) due: Time,
    pub(super) interval: Duration,
    pub(super) until: Time,
}

impl UaCall {
    /// A call that nothing is known of yet.
    pub(super) fn new(ua: &mut Ua, peer: SocketAddr) -> UaCall {
        let mut media = Media::new(ua.media_address());
        media.talks = !ua.is_mute;
        UaCall {
            stage: Stage::Calling,
            is_outgoing: false,
            called: String::new(),
            from: String::new(),
            invite: None,
            code: None,
            phrase: String::new(),
            heard: Vec::new(),
            reasons: Vec::new(),
            ended_by_peer: None,
            never_acked: false,
            changes: 0,
            change_code: None,
            pracks: 0,
            prack_code: None,
            updates: 0,
            update_code: None,
            refreshed: 0,
            expired: false,
            remote_sdp: None,
            refer_code: None,
            notified: Vec::new(),
            info_code: None,
            informed: Vec::new(),
            answered_at: None,
            call_id: String::new(),
            local_tag: ua.token(),
            local: String::new(),
            remote: String::new(),
            remote_tag: None,
            remote_target: String::new(),
            peer,
            cseq: 0,
            invite_branch: String::new(),
            invite_cseq: 0,
            cancelled: false,
            cancel_sent: false,
            bye_when_acked: false,
            line: None,
            direction: Direction::SendRecv,
            media,
            sdp_version: 1,
            act_at: None,
            unacked: None,
            acks: Vec::new(),
            late_change: false,
            refreshing: false,
            reliable: Reliable::default(),
            session: None,
            min_se: 90,
            peer_takes_update: false,
            update_branch: None,
            is_branch: false,
            subscribed: false,
        }
    }

    /// Its SIP Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    pub(super) fn forget(&mut self, id: &str) {
        self.call_id = id.to_owned();
        self.stage = Stage::Over;
        self.ended_by_peer.get_or_insert(false);
        self.media.stop();
    }

    /// Its own tag.
    pub fn tag(&self) -> &str {
        &self.local_tag
    }

    /// Packets of audio that came.
    pub fn packets_received(&self) -> u64 {
        self.media.received
    }

    /// Packets of audio that were sent.
    pub fn packets_sent(&self) -> u64 {
        self.media.sent
    }

    /// Packets of video that came.
    pub fn video_received(&self) -> u64 {
        self.media.video_received
    }

    /// Packets of fax that came.
    pub fn fax_received(&self) -> u64 {
        self.media.fax_received
    }

    /// Sound has given way to fax.
    pub fn is_fax(&self) -> bool {
        self.media.is_fax
    }

    /// Whether the last that was heard is a tone of so many hertz.
    pub fn hears(&self, hertz: f64) -> bool {
        self.media.ear.hears(hertz)
    }

    /// Where its audio comes in.
    pub fn media_address(&self) -> SocketAddr {
        self.media.local
    }

    pub(super) fn due(&self) -> Option<Time> {
        let act = self.act_at.map(|(at, _)| at);
        let resend = self.unacked.as_ref().map(|unacked| unacked.due);
        let session = self.session.filter(|_| self.stage == Stage::Talking).map(|session| session.due());
        [act, resend, session, self.reliable.due(), self.media.next].into_iter().flatten().min()
    }
}
