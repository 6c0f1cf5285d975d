// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// translationSysctls make a namespace pass packets on. It sends no redirects: both
// sides of a NAT gateway are at its only device.
var translationSysctls = []struct{ path, value string }{
	{"net/ipv4/conf/all/send_redirects", "0"},
	{"net/ipv4/conf/default/send_redirects", "0"},
	{"net/ipv4/conf/eth0/send_redirects", "0"},
	{"net/ipv4/ip_forward", "1"},
}

// ensureTranslation makes the namespace that the thread is in pass on what it gets
// under its own address and take nothing for itself: what nobody behind it has asked
// for ends here. Doing it again leaves connections alone.
func ensureTranslation() error {
	for _, s := range translationSysctls {
		if err := setSysctl(s.path, s.value); err != nil {
			return err
		}
	}
	return changeRuleset(
		nfMessage{unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, nfText(1, owner)},
		nfChain("input", "filter", unix.NF_INET_LOCAL_IN, 0, 0 /* drop */),
		nfChain("postrouting", "nat", unix.NF_INET_POST_ROUTING, 100, 1 /* accept */),
		// What an earlier process put there goes in the same transaction.
		nfMessage{unix.NFT_MSG_DELRULE, 0, slices.Concat(nfText(1, owner), nfText(2, "postrouting"))},
		nfMessage{unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE | unix.NLM_F_APPEND, slices.Concat(nfText(1, owner), nfText(2, "postrouting"),
			nfNest(4, nfNest(1, nfText(1, "masq"))))},
	)
}

// nfMessage is one message to nf_tables, of the family of IPv4. Attributes have the
// numbers of linux/netfilter/nf_tables.h.
type nfMessage struct {
	kind, flags uint16
	attributes  []byte
}

// nfChain is a chain at a hook. Nothing about it changes if it is there.
func nfChain(name, kind string, hook, priority, policy uint32) nfMessage {
	return nfMessage{unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, slices.Concat(
		nfText(1, owner), nfText(3, name), nfNest(4, nfNumber(1, hook), nfNumber(2, priority)), nfNumber(5, policy), nfText(7, kind),
	)}
}

func nfAttribute(kind uint16, value []byte) []byte {
	out := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	out = append(binary.NativeEndian.AppendUint16(out, kind), value...)
	return append(out, make([]byte, -len(out)&3)...)
}

func nfText(kind uint16, s string) []byte { return nfAttribute(kind, append([]byte(s), 0)) }

func nfNumber(kind uint16, n uint32) []byte {
	return nfAttribute(kind, binary.BigEndian.AppendUint32(nil, n))
}

func nfNest(kind uint16, inside ...[]byte) []byte {
	return nfAttribute(kind|unix.NLA_F_NESTED, slices.Concat(inside...))
}

// changeRuleset makes changes of the packet filter of the namespace that the thread
// is in, all or none.
func changeRuleset(changes ...nfMessage) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("open netfilter's netlink: %w", err)
	}
	defer unix.Close(socket)
	// The kernel answers while it is sent to; this is for a kernel that does not.
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return fmt.Errorf("open netfilter's netlink: %w", err)
	}
	var batch []byte
	add := func(kind, flags uint16, sequence uint32, family byte, resource uint16, attributes []byte) {
		batch = binary.NativeEndian.AppendUint32(batch, uint32(unix.NLMSG_HDRLEN+4+len(attributes)))
		batch = binary.NativeEndian.AppendUint16(batch, kind)
		batch = binary.NativeEndian.AppendUint16(batch, flags|unix.NLM_F_REQUEST)
		batch = binary.NativeEndian.AppendUint32(batch, sequence)
		batch = binary.NativeEndian.AppendUint32(batch, 0)
		batch = binary.BigEndian.AppendUint16(append(batch, family, unix.NFNETLINK_V0), resource)
		batch = append(batch, attributes...)
	}
	add(unix.NFNL_MSG_BATCH_BEGIN, 0, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	for i, c := range changes {
		add(unix.NFNL_SUBSYS_NFTABLES<<8|c.kind, c.flags|unix.NLM_F_ACK, uint32(i+1), unix.NFPROTO_IPV4, 0, c.attributes)
	}
	add(unix.NFNL_MSG_BATCH_END, 0, uint32(len(changes)+1), unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	if err := unix.Sendto(socket, batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("change the packet filter: %w", err)
	}
	return nfAnswers(socket, len(changes))
}

// nfAnswers reads what the kernel says of each of n changes.
func nfAnswers(socket, n int) error {
	buffer := make([]byte, 1<<16)
	for n > 0 {
		size, _, err := unix.Recvfrom(socket, buffer, 0)
		if err != nil {
			return fmt.Errorf("read the answer of the packet filter: %w", err)
		}
		for rest := buffer[:size]; len(rest) >= unix.NLMSG_HDRLEN; {
			length := int(binary.NativeEndian.Uint32(rest))
			if length < unix.NLMSG_HDRLEN+4 || length > len(rest) {
				return errors.New("read the answer of the packet filter: it is cut")
			}
			if binary.NativeEndian.Uint16(rest[4:]) == unix.NLMSG_ERROR {
				if code := int32(binary.NativeEndian.Uint32(rest[unix.NLMSG_HDRLEN:])); code != 0 {
					return fmt.Errorf("change %d of the packet filter: %w (needs nf_tables with nft_masq)", binary.NativeEndian.Uint32(rest[8:]), unix.Errno(-code))
				}
				n--
			}
			rest = rest[min((length+3)&^3, len(rest)):]
		}
	}
	return nil
}
