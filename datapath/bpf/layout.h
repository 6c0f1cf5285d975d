/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* What user space and the programs share: the only definition. Go's side is
 * generated from it. Any change of a size or a meaning here needs a new
 * LAYOUT, which makes an older pinned datapath refuse to be adopted. */
#pragma once

#include <linux/types.h>

#include "reason.h"

#define LAYOUT 5

enum direction { INGRESS, EGRESS, NUM_DIRECTIONS };
enum family { IPV4, IPV6, NUM_FAMILIES };

/* Addresses take 16 bytes in both families; IPv4 uses the first four, the rest
 * is zero. Every key that holds one says its family elsewhere. */
struct address {
	__u32 word[4];
};

/* States of a flow, for all protocols (section 3). The names of TCP are those
 * of section 3.2; HALF and RST carry which side they speak of. Zero is no
 * state, so a cleared entry is dead. */
enum state {
	STATE_NONE,
	SYN_SENT,
	SYNACK_SEEN,
	SYN_RECV,
	ONEWAY,
	ESTABLISHED,
	HALF_CLOSED_INI, /* the initiator has sent its FIN */
	HALF_CLOSED_RES,
	TIME_WAIT,
	RST_SEEN,     /* nobody has gone on after the RST */
	RST_SEEN_INI, /* the initiator has */
	RST_SEEN_RES,
	UDP_ASKED,    /* no transaction yet, a request is pending */
	UDP_ANSWERED, /* one transaction, nothing pending */
	UDP_AGAIN,    /* one transaction, a request is pending */
	UDP_STREAM,
	QUERY, /* ICMP and ICMPv6 queries */
	OTHER, /* protocols without ports */
	NUM_STATES,
};

#define MAX_STATES 32 /* a power of two, so that any state byte is in bounds */
_Static_assert(NUM_STATES <= MAX_STATES, "layout: too many states");

#define MAX_VPC_PREFIXES 12

struct vpc_prefix {
	struct address addr;
	struct address mask; /* all zero in an unused place of a family: see family */
	__u32 family;        /* enum family + 1; 0 is an unused place */
};

/* Flags of an interface. */
#define INTERFACE_USED  1u /* the slot is somebody's */
#define INTERFACE_CHECK 2u /* SourceDestCheck (section 5) */
#define INTERFACE_ATTACHED 4u /* at a device that somebody else made (section 4.8) */
#define INTERFACE_OWN 8u /* and that is a NIC of the host: directions are turned round */

/* One network interface. User space writes it through a mapping; policy is
 * stored with one atomic 32-bit write, which is the switch of section 1.10. What
 * most packets need comes first, in one cache line. */
struct interface {
	__u32 policy; /* 0: none yet, closed */
	__u32 flags;
	__u32 ifindex;
	__u32 vpc; /* number of its network, with DELEGATES */
	__u8 mac[8];     /* the instance's, six bytes */
	__u32 addr4;     /* primary IPv4 address, network order; 0 is none */
	__u32 local4;    /* its id in flow keys */
	__u32 router4;
	__u32 broadcast4; /* last address of the subnet; 0 is unknown */
	struct address addr6;
	__u32 local6;
	__u32 allowance; /* of its instance: place in allowances */
	__u32 self; /* id in flow keys of transit traffic, whose address is not ours */
	__u32 pad;
	struct address router6;
	__u32 resolver4; /* base + 2 of the VPC's primary block (section 4.1) */
	__u32 place;     /* its own, in interfaces */
	__u64 revision;   /* of the policy in force, as told by user space */
	__u32 timeout[MAX_STATES]; /* jiffies; 0 means always dead; see timeout() */
	struct vpc_prefix vpc_prefix[MAX_VPC_PREFIXES];
	char id[32];
	char vpc_name[32];
	char device[16];
	char instance[32];
};

/* Under pressure the states that a flow begins in have timers of their own, which
 * lie in the timeouts of states that do not exist (section 3.6). */
#define SHORT_TIMEOUT(state) (MAX_STATES - 8 + (state))

/* So do how long a datagram's first fragment is remembered (section 4.5), and a
 * second. */
#define FRAGMENT_TIMEOUT (MAX_STATES - 2)
#define SECOND           (MAX_STATES - 1)

/* What one instance may track (section 3.8). used is counted by the programs;
 * counted is the sweep's own count of the same. */
struct allowance {
	__u32 limit;
	__u32 high; /* above it the instance is under pressure */
	__u32 used;
	__u32 counted;
};

/* A row is a run of steps: see package policy. Offset and count are in steps. */
struct row {
	__u32 offset;
	__u32 count; /* 0: admits nothing */
};

struct step {
	__u32 start;
	__u16 rule; /* NO_RULE: none */
	__u8 flags;
	__u8 pad;
};

#define NO_RULE 0xffff
#define STEP_ALL_PORTS 1

/* What a policy has, so that lookups that cannot answer are not made. */
#define POLICY_ROUTES(dir, family) (1u << ((dir) * 2 + (family)))
#define POLICY_GROUPS(dir, family) (16u << ((dir) * 2 + (family)))

struct policy {
	struct row any[NUM_DIRECTIONS][NUM_FAMILIES];
	struct row handles[NUM_DIRECTIONS]; /* the nth step starts with the handle of rule n */
	__u32 has;
	__u32 pad;
};

/* table = policy << 2 | direction << 1 | family */
#define TABLE(policy, dir, family) ((policy) << 2 | (dir) << 1 | (family))

struct route_key {
	__u32 prefixlen; /* 32 for the table, plus the length of the prefix */
	__u32 table;
	struct address addr;
};

/* Where a route leads: nowhere, to the internet, or through the interface of the same
 * network that has this IPv4 address, in host order. */
#define WAY_NONE     0u
#define WAY_INTERNET 1u

struct class_key {
	__u32 table;
	__u32 class;
};

/* Beside an address itself, the prefix around it may be somebody's, whole
 * (section 1.1): IPv4 /28, IPv6 /80. A network in which some prefix is has DELEGATES
 * set in vpc, which the shift drops; the key of a prefix has PREFIX. */
#define DELEGATES 0x80000000u
#define PREFIX    0x80000000u

struct address_key {
	__u32 network; /* vpc << 1 | family, PREFIX */
	struct address addr;
};

/* Who has an address. class is the interned set of groups, 0 the empty one.
 * slot is the place in interfaces plus one, 0 if it is not on this host. local
 * is the address's id in flow keys, 0 if it is not on this host; that of a prefix
 * has DELEGATED: it does not say which address. */
#define DELEGATED 0x80000000u

struct owner {
	__u16 class;
	__u16 slot;
	__u32 local;
};

/* Instead of a slot plus one: an address that no interface can have (sections 4.1
 * and 4.3). Interfaces have lower slots. */
#define RESERVED_FIRST     0xfffd
#define RESERVED_ROUTER    0xfffd /* of some subnet */
#define RESERVED_RESOLVER  0xfffe /* base + 2 of some block */
#define RESERVED_BROADCAST 0xffff /* of some subnet */

/* Whose an id in flow keys is. A place without an interface is of an address that
 * went: its flows are dead. */
struct local {
	__u32 slot; /* plus one, as in struct owner */
	__u32 allowance;
};

/* Flows (section 1.3). An id stands for one address of one interface (so also for
 * the family), has at most 24 bits, and is never given again. local is
 * id << 8 | protocol. */
struct flow_key {
	struct address remote;
	__u16 remote_port; /* network order; ICMP: see flows.h */
	__u16 local_port;
	__u32 local;
};

/* Who has a public address, and the private one that it stands for; of IPv6 it is
 * the same. The key is as in addresses, with network 0. */
struct public {
	struct address inside;
	__u32 slot;  /* plus one */
	__u32 local; /* as in struct owner */
};

/* The way to other hosts: a VXLAN device that takes where to from each packet, and
 * the address by which they reach this host. */
struct tunnel_end {
	__u32 ifindex; /* 0: there is none */
	__u32 family;  /* of the addresses of hosts */
	struct address self;
	__u32 port;    /* of UDP, on all hosts */
};

/* On which host an address is that somebody has on another one. The key is as in
 * addresses. */
#define REMOTE_UNROUTED 1u /* it may send here; no route leads there */

struct remote {
	struct address host; /* where that is reached */
	__u32 vni;           /* of the interface's VPC */
	__u32 flags;
};

/* Why a frame from another host is for no interface of this one. */
enum stray {
	STRAY_MALFORMED,   /* it is no packet, or says not where from */
	STRAY_VNI,         /* no VPC of this host has the number */
	STRAY_DESTINATION, /* no interface of this host has the address */
	NUM_STRAYS,
};

/* Traffic whose local address no id stands for: an interface forwards it for others
 * (SourceDestCheck off), or the id is a delegated prefix's. */
struct transit_key {
	struct flow_key flow;
	struct address local;
};

/* Both ends are addresses of interfaces of this host; the end with the lower id
 * comes first. low is its id << 8 | protocol. */
struct pair_key {
	__u32 low;
	__u32 high; /* id */
	__u16 port[2];
};

/* What one interface remembers of a flow. It changes in place, on any CPU, without
 * a lock. mark is one word so that a flow begins and ends by one exchange:
 * whoever wins it takes or gives back the unit of the allowance. What one CPU
 * adds to a counter while another does the same may be lost; nothing depends on it. */
struct flow {
	__u32 seen; /* jiffies at which the timer of the state was last reset */
	__u32 mark; /* handle of the rule << 8 | REMOTE_INITIATED | state; 0: no flow */
	__u32 packets[NUM_DIRECTIONS];
	__u64 bytes[NUM_DIRECTIONS];
};

/* The two interfaces share an entry, not state: each judges by its own end (1.2). */
struct pair {
	struct flow end[2];
};

#define MARK_STATE       0x1fu
#define REMOTE_INITIATED 0x20u
#define MARK(rule, initiator, state) ((rule) << 8 | (initiator) | (state))
#define MAX_HANDLE 0xffffff
#define BURIED 0xffffffffu /* being taken out of the table */

/* What a rule has admitted, beside what live flows know themselves: flows that
 * ended, and packets without a flow. By handle; 0 is a rule without one. */
struct use {
	__u64 packets;
	__u64 bytes;
	__u64 flows;
	__u64 last; /* jiffies, all 64 bits; 0: never */
};

/* Datagrams of which the first fragment was judged, or is waited for (4.5). self is
 * the interface's id in flow keys. proto is 0 in IPv6, where fragments of a datagram
 * may name different headers. */
struct fragment_key {
	struct address src;
	struct address dst;
	__u32 id; /* network order */
	__u32 self;
	__u8 proto;
	__u8 dir;
	__u8 family;
	__u8 pad;
};

#define FRAGMENT_UNITS 8192 /* of eight bytes, in the longest datagram */

struct fragment {
	__u32 made;    /* jiffies */
	__u32 proto;   /* of the transport header */
	__u32 seen;    /* units that have come */
	__u32 units;   /* of the datagram; 0: its last fragment has not come */
	__u16 rule;
	__u8 reason;   /* of the first fragment; 0: it is waited for */
	__u8 overlaps; /* nothing more of the datagram passes */
	__u8 host;     /* it is for the host */
	__u8 class;    /* the rest as in struct packet */
	__u16 src_port;
	__u16 dst_port;
	__u16 icmp_id;
	__u16 query;
	__u16 port;
	__u64 map[FRAGMENT_UNITS / 64];
};

/* Says that a first fragment was judged that others are held for. */
struct fragment_event {
	struct fragment_key key;
	__u32 place;
};

/* Events of one second, which began with the first (sections 3.4 and 3.8). */
struct window {
	__u32 begun;
	__u32 count;
};

struct limits {
	struct window services;
	struct window path_mtu;
	struct window fragments;
};

/* What holds for all interfaces: the switches of the specification, and what the
 * host has. The zero value is the default. */
#define SWITCH_NO_RELATED       1u
#define SWITCH_NO_PATH_MTU      2u
#define SWITCH_FRAGMENT_CONTEXT 4u

struct settings {
	__u32 switches;
	__u32 fragment_limit; /* egress fragments a second; 0: no limit */
	__u32 grace_until;    /* jiffies; 0: no grace */
	__u32 holder;         /* device that fragments are handed to; 0: none */
	__u32 served;         /* services that the host answers for, see exempt.h */
	__u32 services;       /* device that packets to them are handed to; 0: none */
};

/* The groups of a class: not read by programs, kept so that a restarted agent
 * finds the same numbers. */
#define MAX_GROUPS 63

struct group_set {
	__u32 count;
	__u32 group[MAX_GROUPS];
};

struct name {
	char text[32];
};

struct tally {
	__u64 packets[NUM_DIRECTIONS][MAX_REASONS];
};

_Static_assert(sizeof(struct flow_key) == 24, "layout: flow key");
_Static_assert(sizeof(struct transit_key) == 40, "layout: transit key");
_Static_assert(sizeof(struct pair_key) == 12, "layout: pair key");
_Static_assert(sizeof(struct flow) == 32, "layout: flow");
_Static_assert(sizeof(struct pair) == 64, "layout: pair");
_Static_assert(SHORT_TIMEOUT(SYN_RECV) < MAX_STATES && SHORT_TIMEOUT(SYN_SENT) >= NUM_STATES, "layout: timeouts");
_Static_assert(sizeof(struct fragment_key) == 44, "layout: fragment key");
_Static_assert(sizeof(struct fragment) % 8 == 0, "layout: fragment");
_Static_assert(sizeof(struct step) == 8, "layout: step");
_Static_assert(sizeof(struct owner) == 8, "layout: owner");
_Static_assert(sizeof(struct remote) == 24, "layout: remote");
_Static_assert(sizeof(struct interface) % 8 == 0, "layout: interface");
