// SPDX-License-Identifier: Apache-2.0

package services

import (
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/hedgeward/hedgeward/secgroup"
)

const nameLife = 60 // seconds that an answer holds

// errElsewhere says that a name is none of the installation's.
var errElsewhere = errors.New("not a name of this installation")

// resolve answers a question of an asker: the private names of its VPC's addresses,
// both ways, and the names of VPC endpoints. It answers errElsewhere for others.
func (f *Facts) resolve(q dnsmessage.Question) ([]dnsmessage.Resource, dnsmessage.RCode, error) {
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	if reversed, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		a, err := netip.ParseAddr(backwards(reversed))
		if err != nil || !f.inVPC(a) {
			return nil, 0, errElsewhere
		}
		to, err := dnsmessage.NewName(secgroup.PrivateDNSName(f.Region, a) + ".")
		if err != nil || q.Type != dnsmessage.TypePTR {
			return nil, dnsmessage.RCodeSuccess, nil
		}
		return []dnsmessage.Resource{resource(q, &dnsmessage.PTRResource{PTR: to})}, dnsmessage.RCodeSuccess, nil
	}
	addrs, ours := f.addressesOf(name)
	if !ours {
		return nil, 0, errElsewhere
	}
	if len(addrs) == 0 {
		return nil, dnsmessage.RCodeNameError, nil
	}
	var out []dnsmessage.Resource
	for _, a := range addrs {
		if q.Type == dnsmessage.TypeA && a.Is4() {
			out = append(out, resource(q, &dnsmessage.AResource{A: a.As4()}))
		}
	}
	return out, dnsmessage.RCodeSuccess, nil
}

// addressesOf returns the addresses behind a name; ours reports whether it is in a
// domain of the installation.
func (f *Facts) addressesOf(name string) (addrs []netip.Addr, ours bool) {
	sample := secgroup.PrivateDNSName(f.Region, netip.AddrFrom4([4]byte{}))
	_, domain, _ := strings.Cut(sample, ".")
	if host, in := strings.CutSuffix(name, "."+domain); in {
		a, err := netip.ParseAddr(strings.ReplaceAll(strings.TrimPrefix(host, "ip-"), "-", "."))
		if err == nil && strings.HasPrefix(host, "ip-") && f.inVPC(a) {
			return []netip.Addr{a}, true
		}
		return nil, true
	}
	if !strings.HasSuffix(name, ".vpce.amazonaws.com") {
		return nil, false
	}
	for _, d := range f.Doors {
		if d.Name == name {
			return d.Addresses, true
		}
	}
	return nil, true
}

func resource(q dnsmessage.Question, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: nameLife}, Body: body}
}

// backwards returns the labels of a name in reverse order.
func backwards(name string) string {
	parts := strings.Split(name, ".")
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, ".")
}

// answerNames returns the answer to a query, nil for one that is none. forward asks
// somebody else; nil refuses what is not the installation's.
func answerNames(f *Facts, query []byte, forward func([]byte) ([]byte, error)) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil
	}
	questions, err := p.AllQuestions()
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: h.ID, Response: true, OpCode: h.OpCode, RecursionDesired: h.RecursionDesired, RecursionAvailable: true},
		Questions: questions,
	}
	switch {
	case err != nil || len(questions) != 1:
		reply.RCode = dnsmessage.RCodeFormatError
	case h.OpCode != 0:
		reply.RCode = dnsmessage.RCodeNotImplemented
	case f == nil || !f.Resolver:
		return nil // no resolver in this VPC
	default:
		reply.Answers, reply.RCode, err = f.resolve(questions[0])
		if errors.Is(err, errElsewhere) {
			if forward != nil {
				if answer, err := forward(query); err == nil {
					return answer
				}
				reply.RCode = dnsmessage.RCodeServerFailure
			} else {
				reply.RCode = dnsmessage.RCodeRefused
			}
		}
	}
	out, err := reply.Pack()
	if err != nil {
		return nil
	}
	return out
}
