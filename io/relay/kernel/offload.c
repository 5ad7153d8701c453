// What the system itself does with the packets of a stream that is settled: it sends each on as Tandem would, before any socket sees it.
//
// A packet that is not exactly the next one of its stream, or that there is anything to say about, goes the usual way, to the socket
// and to Tandem, which then takes the stream back. So all decisions are Tandem's; this only goes on with the last one.
//
// tools/build-offload makes offload.bpf of it, its instructions alone, which are part of the binary.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stddef.h>

// What the kernel offers to programs, by number (bpf-helpers(7)).
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static __u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static long (*bpf_skb_store_bytes)(struct __sk_buff *skb, __u32 at, const void *from, __u32 length, __u64 flags) = (void *)9;
static long (*bpf_l4_csum_replace)(struct __sk_buff *skb, __u32 at, __u64 from, __u64 to, __u64 flags) = (void *)11;
static long (*bpf_skb_load_bytes)(const struct __sk_buff *skb, __u32 at, void *to, __u32 length) = (void *)26;
static long (*bpf_redirect_neigh)(__u32 interface, void *next_hop, int length, __u64 flags) = (void *)152;

// From network order and to it. The instructions are for machines with the other order, which nearly all are.
#define ntohs(x) __builtin_bswap16(x)
#define ntohl(x) __builtin_bswap32(x)
#define htons(x) __builtin_bswap16(x)

// The fixed header of RTP (RFC 3550 §5.1).
struct rtp {
    __u8 version; // with padding, extension and the number of contributing sources
    __u8 payload_type; // with the marker
    __be16 sequence;
    __be32 timestamp;
    __be32 ssrc;
};

struct headers {
    struct iphdr ip;
    struct udphdr udp;
    struct rtp rtp;
};

// A settled stream. `Flow` in src/offload.rs writes and reads it: the order of the fields is agreed with it.
struct flow {
    // Whether a processor is at it: packets of one stream can come on two at once.
    __u32 busy;

    // Where its packets come from, and at which address of ours they come in.
    __be32 from;
    __be32 at;
    __be16 from_port;

    // Where they go out, and where to.
    __be16 out_port;
    __be32 out;
    __be32 to;
    __be16 to_port;

    // What each packet has in common, and how many may come in a second.
    __u8 payload_type;
    __u8 reserved;
    __be32 ssrc;
    __u32 clock_rate;
    __u32 per_second;

    // The interface that they leave by; none if they stay on this machine.
    __u32 interface;

    // The last packet.
    __u32 timestamp;
    __u16 sequence;
    __u16 reserved2[3];
    __u64 arrived; // ns, as all times here, of CLOCK_MONOTONIC

    // The jitter, as src/jitter.rs of tandem-media has it: sixteenths of microseconds.
    __s64 jitter;
    __s64 jitter_highest;

    // What went on, and how much of it since the last second began.
    __u64 packets;
    __u64 bytes;
    __u64 second;
    __u64 packets_in_second;
};
_Static_assert(sizeof(struct flow) == 112, "as in src/offload.rs");

// The streams, by local UDP port. `Offload::load` makes the map and puts it in.
extern struct flow flows;

#define SECOND 1000000000ULL
#define LOOPBACK 1
#define EXPEDITED (46 << 2) // RFC 3246
#define HOPS 64
#define SMALL 1280 // what every way takes whole: a larger packet may have to be cut

// Counts a packet of `bytes` with this header if it is the next one of the stream and an ordinary one.
static inline __attribute__((always_inline)) int is_next(struct flow *flow, const struct rtp *rtp, __u64 bytes, __u64 now) {
    int next = 0;
    if (__sync_val_compare_and_swap(&flow->busy, 0, 1) != 0)
        return 0;
    __u16 sequence = flow->sequence + 1;
    __u32 ticks = ntohl(rtp->timestamp) - flow->timestamp;
    if (now - flow->second >= SECOND) {
        flow->second = now;
        flow->packets_in_second = 0;
    }
    if (ntohs(rtp->sequence) != sequence || ticks == 0 || ticks >= flow->clock_rate || now < flow->arrived ||
        flow->packets_in_second >= flow->per_second)
        goto out;
    __s64 sampled_us = (__u64)ticks * 1000000 / flow->clock_rate;
    __s64 late_us = (__s64)((now - flow->arrived) / 1000) - sampled_us;
    if (late_us < 0)
        late_us = -late_us;
    if (late_us >= 1000000)
        goto out;
    flow->jitter += late_us - ((flow->jitter + 8) >> 4);
    if (flow->jitter > flow->jitter_highest)
        flow->jitter_highest = flow->jitter;
    flow->sequence = sequence;
    flow->timestamp += ticks;
    flow->arrived = now;
    flow->packets++;
    flow->packets_in_second++;
    flow->bytes += bytes;
    next = 1;
out:
    __sync_lock_test_and_set(&flow->busy, 0);
    return next;
}

static inline __attribute__((always_inline)) __u64 folded(__u64 sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

// Gives the packet the addresses that it goes on with, and the header of one that is sent anew.
static inline __attribute__((always_inline)) long readdress(struct __sk_buff *skb, const struct headers *old, const struct flow *flow) {
    const __u32 udp_at = ETH_HLEN + sizeof(struct iphdr), check_at = udp_at + offsetof(struct udphdr, check);
    struct iphdr ip = old->ip;
    ip.tos = EXPEDITED;
    ip.ttl = HOPS;
    ip.saddr = flow->out;
    ip.daddr = flow->to;
    ip.check = 0;
    const __u16 *words = (const __u16 *)&ip;
    __u64 sum = 0;
#pragma unroll
    for (int n = 0; n < 10; n++)
        sum += words[n];
    ip.check = ~folded(sum);

    // The checksum of UDP, which knows the addresses too, changes by the difference (RFC 1624); 0 is none.
    if (old->udp.check != 0) {
        __u64 addresses = (__u64)(__u32)~old->ip.saddr + (__u32)~old->ip.daddr + ip.saddr + ip.daddr;
        __u64 ports = (__u64)(__u16)~old->udp.source + (__u16)~old->udp.dest + flow->out_port + flow->to_port;
        addresses = (addresses & 0xffffffff) + (addresses >> 32);
        addresses = (addresses & 0xffffffff) + (addresses >> 32);
        long failed = bpf_l4_csum_replace(skb, check_at, 0, addresses, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
        failed |= bpf_l4_csum_replace(skb, check_at, 0, folded(ports), BPF_F_MARK_MANGLED_0);
        if (failed)
            return -1;
    }
    __be16 udp_ports[2] = {flow->out_port, flow->to_port};
    return bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof ip, 0) |
           bpf_skb_store_bytes(skb, udp_at, udp_ports, sizeof udp_ports, BPF_F_INVALIDATE_HASH);
}

__attribute__((section("tc"), used))
int offload(struct __sk_buff *skb) {
    if (skb->protocol != htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_segs > 1)
        return TC_ACT_UNSPEC;
    struct headers headers;
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &headers, sizeof headers))
        return TC_ACT_UNSPEC;
    const struct iphdr *ip = &headers.ip;
    const struct udphdr *udp = &headers.udp;
    const struct rtp *rtp = &headers.rtp;
    // UDP without options of IP, and no fragment.
    if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP || ip->frag_off & htons(0x3fff))
        return TC_ACT_UNSPEC;
    __u32 port = ntohs(udp->dest);
    struct flow *flow = bpf_map_lookup_elem(&flows, &port);
    // What stays on this machine has to be there: the system takes nothing with an address of its own from elsewhere.
    if (flow && !flow->interface && skb->ifindex != LOOPBACK)
        return TC_ACT_UNSPEC;
    if (!flow || ip->daddr != flow->at || ip->saddr != flow->from || udp->source != flow->from_port)
        return TC_ACT_UNSPEC;
    __u32 length = ntohs(udp->len);
    if (length < sizeof *udp + sizeof *rtp || length + sizeof *ip != ntohs(ip->tot_len) ||
        length + sizeof *ip > SMALL || length + sizeof *ip + ETH_HLEN > skb->len)
        return TC_ACT_UNSPEC;
    // RTP without header extension and contributing sources (padding may be), and without marker.
    if ((rtp->version & 0xdf) != 0x80 || rtp->payload_type != flow->payload_type || rtp->ssrc != flow->ssrc)
        return TC_ACT_UNSPEC;
    if (!is_next(flow, rtp, length - sizeof *udp, bpf_ktime_get_ns()))
        return TC_ACT_UNSPEC;

    if (readdress(skb, &headers, flow))
        return TC_ACT_SHOT;
    return flow->interface ? bpf_redirect_neigh(flow->interface, 0, 0, 0) : TC_ACT_UNSPEC;
}
