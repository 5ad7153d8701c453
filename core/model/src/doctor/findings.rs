//! Everything that an examination may find: one table, for reports, documents and tests.

use super::ExamStage;

macro_rules! findings {
    ($($name:ident $code:literal: $meaning:literal, $fix:literal;)+) => {
        /// What was found.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[allow(missing_docs)] // the meaning of each is in the table
        pub enum Diagnosis { $($name),+ }

        impl Diagnosis {
            /// All, as they are documented.
            pub const ALL: &[Diagnosis] = &[$(Diagnosis::$name),+];

            /// Its stable code.
            pub fn code(self) -> &'static str {
                match self { $(Diagnosis::$name => $code),+ }
            }

            /// What it means.
            pub fn meaning(self) -> &'static str {
                match self { $(Diagnosis::$name => $meaning),+ }
            }

            /// What to change.
            pub fn fix(self) -> &'static str {
                match self { $(Diagnosis::$name => $fix),+ }
            }
        }
    };
}

/// Which findings a stage may have: for the document.
pub const FOR: &[(ExamStage, &[Diagnosis])] = {
    use Diagnosis::*;
    &[
        (
            ExamStage::Configuration,
            &[
                TrunkDisabled,
                NoRoute,
                RoutedElsewhere,
                NoInbound,
                ExtensionOffline,
                AllTrunksDown,
                PeerNotRegistered,
            ],
        ),
        (
            ExamStage::Dns,
            &[DnsNoSuchName, DnsNoAddress, DnsNotOffered, DnsTimeout, DnsServerFailed, DnsNoSrv],
        ),
        (
            ExamStage::Transport,
            &[
                NoListener,
                ConnectionRefused,
                ConnectionTimeout,
                NetworkUnreachable,
                UdpPortClosed,
                FirstTargetDead,
                OtherTransportAnswers,
                OtherPortAnswers,
            ],
        ),
        (
            ExamStage::Tls,
            &[
                TlsWrongName,
                TlsUnknownIssuer,
                TlsExpired,
                TlsBadCertificate,
                TlsClientCertificate,
                TlsNotSpoken,
                TlsHandshake,
            ],
        ),
        (
            ExamStage::Options,
            &[NoAnswer, OptionsUnanswered, OptionsRefused, OptionsUnavailable, NatInBetween],
        ),
        (
            ExamStage::Register,
            &[
                WrongPassword,
                WrongRealm,
                AlgorithmRefused,
                StrangeChallenge,
                NonceLoop,
                CredentialsMissing,
                RegisterNotTaken,
                RegisterForbidden,
                AccountUnknown,
                RegisterTooBrief,
                RegisterUnanswered,
                Redirected,
                ServerUnavailable,
                ServerError,
                RegisterRefused,
                RegisterQueryRefused,
                RegisterGrantedNothing,
                RegistrationReplaced,
            ],
        ),
        (
            ExamStage::Invite,
            &[
                NumberForbidden,
                TrunkFull,
                NoMediaPort,
                CallerRefused,
                NumberRefused,
                NumberUnavailable,
                NumberBusy,
                CallDeclined,
                CodecRefused,
                PaymentRequired,
                LoopDetected,
                InviteUnanswered,
                NotAnswered,
                InviteRefused,
                AnswerWithoutAudio,
            ],
        ),
        (
            ExamStage::Rtp,
            &[
                SdpPrivateAddress,
                OwnAddressPrivate,
                RtpFromElsewhere,
                NoRtp,
                AnsweredOnHold,
                RtpSourceDiffers,
                RtpOtherCodec,
                RtpLoss,
                RtpJitter,
                CallEndedEarly,
            ],
        ),
    ]
};

findings! {
    TrunkDisabled "TRUNK_DISABLED":
        "The trunk is switched off: it was examined, but no call uses it.",
        "Set `enabled` to true when it is to be used.";
    NoRoute "NO_ROUTE":
        "No outbound route that is switched on has a step over this trunk, so no call goes out by it.",
        "Create a route with this trunk in `steps`, or switch one on.";
    RoutedElsewhere "ROUTED_ELSEWHERE":
        "A call to this number takes another trunk first, because a route with a better `priority`, or for a more particular \
         destination, leads there.",
        "Look at `priority`, `patterns` and the order of `steps` of the routes; `tandem route explain` shows how they are chosen.";
    NoInbound "NO_INBOUND":
        "Nothing says where calls go that come in over this trunk: no number and no inbound route is for it.",
        "Create a number, or an inbound route with the trunk's numbers and a destination.";
    ExtensionOffline "EXTENSION_OFFLINE":
        "Calls over this trunk ring an extension that no device is registered for, so nobody hears them.",
        "Check that the device is on and online, its account, password and registrar address, and that its firewall lets SIP \
         through; `/v1.0/registrations` shows who is registered.";
    AllTrunksDown "ALL_TRUNKS_DOWN":
        "Every other trunk that is switched on cannot be used either, so the trouble is likely to be on this side: the network, \
         the name servers or the firewall of this server.",
        "Check the network of this server, then examine each trunk by itself.";
    PeerNotRegistered "PEER_NOT_REGISTERED":
        "The other side of this trunk registers here, and is not registered now, so that calls cannot be sent to it.",
        "Check that the device is online, its account, password and registrar address, that its firewall lets SIP through, and \
         that it refreshes its registration in time.";

    DnsNoSuchName "DNS_NO_SUCH_NAME":
        "The name servers say that there is no host of this name.",
        "Correct `host` (or `registrar`, `outbound_proxy`): it is misspelt, or the provider has given it up.";
    DnsNoAddress "DNS_NO_ADDRESS":
        "The name exists, but has no address of a family that this server has a listener for.",
        "Ask the provider for the name of its SIP server, or add a listener for IPv6 (or IPv4) under `[listen] sip`.";
    DnsNotOffered "DNS_NOT_OFFERED":
        "The SRV records of the host say that it offers no SIP over this transport.",
        "Choose another `transport`; `auto` takes what the host offers.";
    DnsTimeout "DNS_TIMEOUT":
        "The name servers of this server did not answer in time.",
        "Check the name servers that this machine (or `--name-server`) uses, and that DNS gets through the firewall.";
    DnsServerFailed "DNS_SERVER_FAILED":
        "The name servers could not answer for this name: the domain's own servers are broken, or they refuse us.",
        "Ask again later; if it stays so, tell the provider, or use other name servers.";
    DnsNoSrv "DNS_NO_SRV":
        "The host has no SRV records, only addresses: there is no further server to go to when it fails.",
        "Nothing, unless the provider names a host with SRV records; with `port` set none are looked for.";

    NoListener "NO_LISTENER":
        "This server has no listener of the transport and address family that the trunk needs.",
        "Add one under `[listen] sip` (or with `--sip`), or choose another `transport`.";
    ConnectionRefused "CONNECTION_REFUSED":
        "Nobody listens at this port: the connection was refused at once.",
        "Check `host`, `port` and `transport`: SIP over TCP is on 5060, over TLS on 5061, unless the provider says otherwise.";
    ConnectionTimeout "CONNECTION_TIMEOUT":
        "No connection could be made in time: the host is down, the address is wrong, or a firewall drops the connection.",
        "Check `host` and `port`, and that the firewalls on the way let it through.";
    NetworkUnreachable "NETWORK_UNREACHABLE":
        "This machine cannot reach the address at all.",
        "Check the routes and the firewall of this machine, and whether the address is meant to be reached from here.";
    UdpPortClosed "UDP_PORT_CLOSED":
        "The network says that nobody listens for UDP at this port (ICMP port unreachable).",
        "Check `host`, `port` and `transport`: the provider may take TCP or TLS only, or another port.";
    FirstTargetDead "FIRST_TARGET_DEAD":
        "The first of the trunk's addresses does not answer, and another one does: calls work, with one server less to fall back on.",
        "Nothing here; tell the provider that one of its servers is dead.";
    OtherTransportAnswers "OTHER_TRANSPORT_ANSWERS":
        "Nobody answers by the trunk's transport, but the same host answers by another one.",
        "Set `transport` to the one that answers, or to `auto`.";
    OtherPortAnswers "OTHER_PORT_ANSWERS":
        "Nobody answers at the trunk's port, but the same host answers at another one.",
        "Set `port` to the one that answers, or leave it empty.";

    TlsWrongName "TLS_WRONG_NAME":
        "The certificate of the other end is for another host than the trunk's.",
        "Set `host` to a name that the certificate is for, or have the provider put the name into its certificate.";
    TlsUnknownIssuer "TLS_UNKNOWN_ISSUER":
        "The certificate of the other end was issued by somebody who is not trusted here, or somebody else answers at this address.",
        "If the issuer is right, put its certificate into the file that `[tls] ca` names.";
    TlsExpired "TLS_CERTIFICATE_EXPIRED":
        "The certificate of the other end is not valid any more, or not yet.",
        "The provider has to renew it; if it has, check the clock of this machine.";
    TlsBadCertificate "TLS_BAD_CERTIFICATE":
        "The certificate of the other end is broken, or not one for a server.",
        "Tell the provider.";
    TlsClientCertificate "TLS_CLIENT_CERTIFICATE":
        "The other end wants a certificate of ours, and did not get one that it takes.",
        "Name one that the provider knows in `[tls] client_certificate` or `[tls] certificate`.";
    TlsNotSpoken "TLS_NOT_SPOKEN":
        "Something listens at this port, but does not speak TLS.",
        "Check `port` (TLS is on 5061 unless the provider says otherwise), or set `transport` to `tcp`.";
    TlsHandshake "TLS_HANDSHAKE":
        "TLS came to no end: there is no version or cipher in common, or the other end broke it off.",
        "Ask the provider which versions of TLS it takes (1.2 and 1.3 are spoken here), and whether it wants a client certificate.";

    NoAnswer "NO_ANSWER":
        "Nothing that was sent to the trunk was answered: it is down, the address is wrong, or a firewall drops SIP on its way \
         there or back. Many providers answer only addresses that they know.",
        "Check `host`, `port` and `transport`; have the firewalls let SIP through both ways; have the provider add the public \
         address of this server to those that it takes calls from.";
    OptionsUnanswered "OPTIONS_UNANSWERED":
        "The provider answers other requests but no OPTIONS, so that the trunk would be taken for unreachable.",
        "Set `ping_interval` to 0.";
    OptionsRefused "OPTIONS_REFUSED":
        "The provider answers OPTIONS with a refusal: it is there, but `ping_accept` is `2xx`, which takes that for a failure.",
        "Set `ping_accept` to `any_final`, or `ping_interval` to 0.";
    OptionsUnavailable "OPTIONS_UNAVAILABLE":
        "The provider says that it cannot serve us now (408 or 503).",
        "Wait, or have calls go over another trunk; if it stays so, ask the provider.";
    NatInBetween "NAT_IN_BETWEEN":
        "The provider sees us at another address than we say we have: there is a NAT in between. Calls and registrations from \
         outside find us only as long as the NAT keeps the way open.",
        "Give the listener its public address (`udp:ADDRESS:PORT/PUBLIC`) and forward its port, or keep the way open with a \
         `ping_interval` of 25 and an `expires` that the NAT survives.";

    WrongPassword "WRONG_PASSWORD":
        "The provider asks for credentials again after ours were sent: it does not take the name or the password.",
        "Check `username`, `auth_username` and `password`; some providers want a name for authentication that is not the account's.";
    WrongRealm "WRONG_REALM":
        "The provider challenges in another realm than the one in `realm`, so no credentials were sent.",
        "Set `realm` to the provider's, or leave it empty.";
    AlgorithmRefused "ALGORITHM_REFUSED":
        "The provider asks for a digest algorithm or a protection that this trunk does not answer with, or its challenge is broken.",
        "Look at `auth_algorithms`; if the challenge asks for what it has not, ask the provider.";
    StrangeChallenge "STRANGE_CHALLENGE":
        "The challenge came from none of the trunk's addresses, so no credentials were sent.",
        "If the address is the provider's, name it in `challengers` or `associated_ips`.";
    NonceLoop "NONCE_LOOP":
        "Each answer to a challenge is met with another challenge under a new nonce: the servers of the provider do not agree with \
         one another, or it does not say that our credentials are wrong.",
        "Check `username` and `password`; if they are right, set `host` or `outbound_proxy` to one server of the provider, and tell it.";
    CredentialsMissing "CREDENTIALS_MISSING":
        "The provider asks for credentials, and this trunk has none: it does not know our address.",
        "Set `mode` to `credential` with `username` and `password`, or have the provider add the public address of this server to \
         those that it takes calls from.";
    RegisterNotTaken "REGISTER_NOT_TAKEN":
        "The provider takes no registration: it refuses REGISTER without asking for credentials.",
        "Set `mode` to `credential` (it asks for credentials at each call) or to `ip_auth` (it knows our address), as the provider says.";
    RegisterForbidden "REGISTER_FORBIDDEN":
        "The provider refuses the account after our credentials were sent: the password is wrong, the account is blocked, or may not \
         register from this address.",
        "Check `username`, `auth_username` and `password`, then ask the provider whether the account may register from here.";
    AccountUnknown "ACCOUNT_UNKNOWN":
        "The account, in the domain that we name, is not known there.",
        "Check `username`, `from_user`, `from_domain` (or `realm`) and `host`; if the provider takes no registrations, set `mode` to \
         `credential` or `ip_auth`.";
    RegisterTooBrief "REGISTER_TOO_BRIEF":
        "The provider registers for longer only than `expires` asks for (423). The trunk asks for what the provider wants by itself.",
        "Set `expires` to at least the Min-Expires of the answer.";
    RegisterUnanswered "REGISTER_UNANSWERED":
        "The registrar does not answer REGISTER, though the trunk answers other requests.",
        "Check `registrar` and `outbound_proxy`; if the provider takes no registrations, set `mode` to `credential` or `ip_auth`.";
    Redirected "REDIRECTED":
        "The provider sends us to another host (3xx). Calls and registrations follow only to hosts that the trunk is configured with.",
        "Set `host` or `registrar` to the one that the answer names.";
    ServerUnavailable "SERVER_UNAVAILABLE":
        "The provider says that it cannot serve us now.",
        "Wait for as long as its Retry-After says, or have calls go over another trunk; if it stays so, ask the provider.";
    ServerError "SERVER_ERROR":
        "Something failed at the provider (5xx).",
        "Tell the provider, with the messages below; a further trunk in the route's `steps` takes the calls meanwhile.";
    RegisterRefused "REGISTER_REFUSED":
        "The provider refuses our REGISTER for a reason that its answer names.",
        "Ask the provider what it expects; `contact_user`, `contact_params`, `distinct_to` and `outbound_rfc5626` change what is sent.";
    RegisterQueryRefused "REGISTER_QUERY_REFUSED":
        "The provider takes registrations, but does not answer a REGISTER that only asks for them (RFC 3261 §10.2.3), which the \
         examination sends to leave the registration as it is. What is said of credentials is of the registration itself.",
        "Nothing.";
    RegisterGrantedNothing "REGISTER_GRANTED_NOTHING":
        "The provider takes the registration, but for no time at all.",
        "Ask the provider; the account may have as many devices registered as it may have.";
    RegistrationReplaced "REGISTRATION_REPLACED":
        "The provider lists registrations of this account, and ours is not among them though we hold it: another device or server \
         uses the same account, and takes its place.",
        "Register each account from one server only, or ask the provider to allow several; a shorter `expires` brings it back sooner.";

    NumberForbidden "NUMBER_FORBIDDEN":
        "The tenant of this trunk may not call the number, so no test call was made.",
        "Give a number that the tenant may call, or look at its `allowed_countries`, `blocked_prefixes` and `status`.";
    TrunkFull "TRUNK_FULL":
        "The trunk carries as many calls as its limits allow, so no test call was made.",
        "Try again when there is room, or raise `max_calls`, `max_out` or `cps`.";
    NoMediaPort "NO_MEDIA_PORT":
        "No RTP port of this server is free.",
        "Widen `[media] ports`, and let them through the firewall.";
    CallerRefused "CALLER_REFUSED":
        "The provider refuses the call (403 or 433): it does not take the caller that we name in From or P-Asserted-Identity, or the \
         account may not call this destination.",
        "Set `caller_id_number` to a number that the provider has given you, and `from_user`, `from_domain`, `caller_id_in_from` and \
         `identity_header` as it wants them; then ask whether the account may call there.";
    NumberRefused "NUMBER_REFUSED":
        "The provider does not know the number as we write it (404, 484 or 604).",
        "Check the number, then `number_format_out`, `strip_plus`, `country_code` and `tech_prefix`: providers want numbers with `+`, \
         without, or as dialled in their country.";
    NumberUnavailable "NUMBER_UNAVAILABLE":
        "The provider took the call, and the number cannot be reached now (480, 487 or 410).",
        "Nothing for the trunk, which works; try another number.";
    NumberBusy "NUMBER_BUSY":
        "The provider took the call, and the number is busy (486 or 600).",
        "Nothing for the trunk, which works, unless the provider counts your calls: try another number.";
    CallDeclined "CALL_DECLINED":
        "The call was declined (603, 607 or 608): by who was called, or by a filter of the provider for callers that it does not like.",
        "Try another number; check `caller_id_number`, and whether it is taken for spam.";
    CodecRefused "CODEC_REFUSED":
        "The provider takes none of the codecs that we offer, or not their form (488, 606 or 415).",
        "Set `codecs` to those of the provider, `PCMA` and `PCMU` first.";
    PaymentRequired "PAYMENT_REQUIRED":
        "The account has no credit (402).",
        "Pay the provider.";
    LoopDetected "LOOP_DETECTED":
        "The call came back to somebody who had it already (482 or 483).",
        "Check that `host` is not this server, and that the provider does not send the number back to you.";
    InviteUnanswered "INVITE_UNANSWERED":
        "The provider does not answer INVITE, though it answers other requests: it takes no calls from this address, or a firewall \
         drops what is larger.",
        "Have the provider add the public address of this server; set `transport` to `tcp`; fewer `codecs` make the INVITE smaller.";
    NotAnswered "NOT_ANSWERED":
        "The provider took the call, and nobody answered within 30 seconds.",
        "Nothing for the trunk, which works as far as this shows; use a number that answers, as an echo test of the provider.";
    InviteRefused "INVITE_REFUSED":
        "The provider refuses the call for a reason that its answer names.",
        "Ask the provider, with the messages below.";
    AnswerWithoutAudio "ANSWER_WITHOUT_AUDIO":
        "The call was answered without an SDP that has audio in it.",
        "Tell the provider, with the messages below.";

    SdpPrivateAddress "SDP_PRIVATE_ADDRESS":
        "The provider's SDP names an address of a private network for the sound, which cannot be reached from here. It is behind a \
         NAT that it does not know of: one side hears nothing.",
        "Tell the provider. We send to where its sound comes from as soon as any comes; if none does, it waits for ours, which \
         cannot get there.";
    OwnAddressPrivate "OWN_ADDRESS_PRIVATE":
        "Our own SDP names an address of a private network for the sound, and the provider is outside: it cannot send there.",
        "Set `[media] address` to the public address of this server, and forward `[media] ports` to it.";
    RtpFromElsewhere "RTP_FROM_ELSEWHERE":
        "Sound comes, but from an address that is neither the one of the provider's SDP nor the one that it signals from, so it is \
         not taken: anybody could send it.",
        "Tell the provider that its SDP has to name the address that it sends from.";
    NoRtp "NO_RTP":
        "The call was answered, and no sound came back: a firewall or a NAT drops RTP on its way here, or the provider sends none.",
        "Let the UDP ports of `[media] ports` through the firewall and the NAT; check that `[media] address` can be reached from \
         outside.";
    AnsweredOnHold "ANSWERED_ON_HOLD":
        "The answer says that the other side sends no sound (`recvonly`, `inactive`, or no port).",
        "Try another number; if it is so with every number, tell the provider.";
    RtpSourceDiffers "RTP_SOURCE_DIFFERS":
        "Sound comes from another address or port than the SDP names: the provider is behind a NAT. It is taken (symmetric RTP), \
         and ours goes there too.",
        "Nothing, as long as both sides hear each other.";
    RtpOtherCodec "RTP_OTHER_CODEC":
        "Sound comes in another codec than the answer names first.",
        "Set `codecs` to those that the provider uses.";
    RtpLoss "RTP_LOSS":
        "More than 3 % of the provider's packets did not come: the sound has gaps.",
        "Check the bandwidth of the line and what else uses it; give voice precedence (QoS, DSCP EF) on the router.";
    RtpJitter "RTP_JITTER":
        "The provider's packets come unevenly, by more than 30 ms: the sound is choppy or late.",
        "Look for what else loads the line, and for Wi-Fi on the way; give voice precedence (QoS, DSCP EF) on the router.";
    CallEndedEarly "CALL_ENDED_EARLY":
        "The other side hung up while the sound was listened to.",
        "Use a number that talks for longer; if it is so with every number, ask the provider.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_finding_has_a_code_of_its_own_a_meaning_and_a_fix_and_belongs_to_one_stage() {
        let upper_snake = |code: &str| {
            !code.is_empty()
                && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        let mut codes = BTreeSet::new();
        for cause in Diagnosis::ALL {
            assert!(upper_snake(cause.code()) && codes.insert(cause.code()), "{}", cause.code());
            for text in [cause.meaning(), cause.fix()] {
                assert!(
                    text.len() > 6 && text.ends_with('.') && !text.contains("  "),
                    "{}: {text}",
                    cause.code()
                );
            }
            let stages = FOR.iter().filter(|(_, causes)| causes.contains(cause)).count();
            assert_eq!(stages, 1, "{}", cause.code());
        }
        let listed: usize = FOR.iter().map(|(_, causes)| causes.len()).sum();
        assert_eq!(listed, Diagnosis::ALL.len());
        assert_eq!(FOR.iter().map(|(stage, _)| *stage).collect::<Vec<_>>(), ExamStage::ALL);
    }
}
