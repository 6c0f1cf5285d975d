// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// prefixList makes a list of one family for ten entries and returns its id.
func (w *world) prefixList(family string, cidrs ...string) string {
	w.t.Helper()
	made, err := w.api.CreateManagedPrefixList(w.t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("end to end"), AddressFamily: &family, MaxEntries: aws.Int32(10), Entries: additions(cidrs),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return *made.PrefixList.PrefixListId
}

func additions(cidrs []string) (entries []types.AddPrefixListEntry) {
	for _, c := range cidrs {
		entries = append(entries, types.AddPrefixListEntry{Cidr: &c})
	}
	return entries
}

// relist changes the entries of a list from one of its versions to the next, and
// waits until packets are judged by it.
func (w *world) relist(list string, version int64, add, remove []string) {
	w.t.Helper()
	in := &ec2.ModifyManagedPrefixListInput{PrefixListId: &list, CurrentVersion: &version, AddEntries: additions(add)}
	for _, c := range remove {
		in.RemoveEntries = append(in.RemoveEntries, types.RemovePrefixListEntry{Cidr: &c})
	}
	if _, err := w.api.ModifyManagedPrefixList(w.t.Context(), in); err != nil {
		w.t.Fatal(err)
	}
	w.s.Settle(w.t)
}

// listed is permission with a prefix list as the peer.
func listed(protocol string, from, to int32, list string) []types.IpPermission {
	return []types.IpPermission{{IpProtocol: &protocol, FromPort: &from, ToPort: &to, PrefixListIds: []types.PrefixListId{{PrefixListId: &list}}}}
}

// TestPrefixListAsPeer changes a list that two groups name, and nothing else:
// what it gains gets in and out at once, what it loses keeps what is open and gets
// nothing new (docs/spec/packet-semantics.md PKT-B26, PKT-B27 and PKT-B28).
func TestPrefixListAsPeer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "ap-southeast-1", "10.21.0.0/16")
	in, out, quiet := w.group("in"), w.group("out"), w.group("quiet")
	g := w.run(in, out, quiet)
	server, caller, other := g[0], g[1], g[2]
	server.listen(t, 22, 23)
	other.listen(t, 22)
	w.allow(quiet, permission("tcp", 22, 22, "10.21.0.0/16"))

	list := w.prefixList("IPv4", caller.ip+"/32")
	w.allow(in, listed("tcp", 22, 22, list))
	w.s.Settle(t)
	asks, others := connects(caller, "tcp", server.ip, 22), connects(other, "tcp", server.ip, 22)
	check(t, "PKT-B26", asks, dropped(others), dropped(connects(caller, "tcp", server.ip, 23)), dropped(connects(caller, "udp", server.ip, 22)))

	kept := talk(t, caller, "tcp", server.ip, 22, "")
	w.relist(list, 1, nil, []string{caller.ip + "/32"})
	check(t, "PKT-B27", dropped(asks), kept.goesOn(), dropped(others))

	w.relist(list, 2, []string{other.ip + "/32"}, nil)
	check(t, "PKT-B28", others, dropped(asks), kept.goesOn())

	// An old version again; what is open stays.
	keptToo := talk(t, other, "tcp", server.ip, 22, "")
	_, err := w.api.RestoreManagedPrefixListVersion(t.Context(), &ec2.RestoreManagedPrefixListVersionInput{
		PrefixListId: &list, PreviousVersion: aws.Int64(1), CurrentVersion: aws.Int64(3),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.s.Settle(t)
	check(t, "version 1 restored", asks, dropped(others), kept.goesOn(), keptToo.goesOn())

	// Everything in a list is still no rule for everything: flows stay tracked.
	w.relist(list, 4, []string{anywhere}, []string{caller.ip + "/32"})
	tracked := talk(t, other, "tcp", server.ip, 22, "")
	check(t, "everything", asks, others)
	w.relist(list, 5, nil, []string{anywhere})
	check(t, "nothing", dropped(asks), dropped(others), tracked.goesOn())

	// Egress goes by the same list.
	w.revokeEgress(out, permission("-1", -1, -1, anywhere))
	if _, err := w.api.AuthorizeSecurityGroupEgress(t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &out, IpPermissions: listed("tcp", 22, 22, list)}); err != nil {
		t.Fatal(err)
	}
	w.s.Settle(t)
	leaves := connects(caller, "tcp", other.ip, 22)
	check(t, "empty, egress", dropped(leaves))
	w.relist(list, 6, []string{other.ip + "/32"}, nil)
	check(t, "listed, egress", leaves, others)

	// A list that rules name cannot go, and stays in force.
	if _, err := w.api.DeleteManagedPrefixList(t.Context(), &ec2.DeleteManagedPrefixListInput{PrefixListId: &list}); err != nil {
		t.Fatal(err)
	}
	w.s.Settle(t)
	check(t, "deletion failed", leaves, others)
}
