// SPDX-License-Identifier: Apache-2.0

package services

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hedgeward/hedgeward/secgroup"
)

// tree returns everything that the metadata service says to an asker, by path below
// /latest/. A path that ends in a slash in no key is a folder of those that begin
// with it.
func (f *Facts) tree() map[string]string {
	in, primary := f.Instance, f.Interfaces[0]
	out := map[string]string{
		"meta-data/ami-id":                         in.Image,
		"meta-data/ami-launch-index":               strconv.Itoa(in.LaunchIndex),
		"meta-data/instance-id":                    in.ID,
		"meta-data/instance-type":                  in.Type,
		"meta-data/instance-life-cycle":            "on-demand",
		"meta-data/reservation-id":                 in.Reservation,
		"meta-data/mac":                            primary.MAC,
		"meta-data/placement/availability-zone":    f.Subnet.Zone,
		"meta-data/placement/availability-zone-id": f.Subnet.ZoneID,
		"meta-data/placement/region":               f.Interface.Region,
		"meta-data/security-groups":                lines(f.groupNames(primary)),
		"meta-data/services/domain":                "amazonaws.com",
		"meta-data/services/partition":             "aws",
		"dynamic/instance-identity/document":       f.document(),
	}
	if len(primary.Addresses) > 0 {
		name := secgroup.PrivateDNSName(primary.Region, primary.Addresses[0])
		out["meta-data/local-ipv4"] = primary.Addresses[0].String()
		out["meta-data/local-hostname"], out["meta-data/hostname"] = name, name
		if public := f.snap.PublicAddress(primary, primary.Addresses[0]); public.IsValid() {
			out["meta-data/public-ipv4"] = public.String()
			out["meta-data/public-hostname"] = secgroup.PublicDNSName(primary.Region, public)
		}
	}
	if len(primary.IPv6) > 0 {
		out["meta-data/ipv6"] = primary.IPv6[0].String()
	}
	if len(in.UserData) > 0 {
		out["user-data"] = string(in.UserData)
	}
	if in.Options.MetadataTags == "enabled" {
		for _, t := range in.Tags {
			out["meta-data/tags/instance/"+t.Key] = t.Value
		}
	}
	for _, i := range f.Interfaces {
		f.addInterface(out, i)
	}
	for path, value := range out {
		if value == "" {
			delete(out, path)
		}
	}
	return out
}

// addInterface adds what is said of one interface.
func (f *Facts) addInterface(out map[string]string, i *secgroup.Interface) {
	at := "meta-data/network/interfaces/macs/" + i.MAC + "/"
	add := func(name, value string) { out[at+name] = value }
	add("device-number", strconv.Itoa(i.Attachment.DeviceIndex))
	add("interface-id", i.ID)
	add("mac", i.MAC)
	add("owner-id", i.Account)
	add("security-groups", lines(f.groupNames(i)))
	add("security-group-ids", lines(i.Groups))
	add("subnet-id", i.Subnet)
	add("vpc-id", i.VPC)
	add("local-ipv4s", lines(texts(i.Addresses)))
	add("ipv6s", lines(texts(i.IPv6)))
	if n := f.snap.Subnets.Get(i.Subnet); n != nil && n.CIDR.IsValid() {
		add("subnet-ipv4-cidr-block", n.CIDR.String())
	}
	if v := f.snap.VPCs.Get(i.VPC); v != nil {
		add("vpc-ipv4-cidr-block", v.CIDRs[0].Prefix.String())
		var blocks []string
		for _, b := range v.CIDRs {
			blocks = append(blocks, b.Prefix.String())
		}
		add("vpc-ipv4-cidr-blocks", lines(blocks))
	}
	for _, a := range i.Addresses {
		if public := f.snap.PublicAddress(i, a); public.IsValid() {
			add("ipv4-associations/"+public.String(), a.String())
			add("public-ipv4s", public.String())
		}
	}
	if len(i.Addresses) > 0 {
		add("local-hostname", secgroup.PrivateDNSName(i.Region, i.Addresses[0]))
	}
}

func (f *Facts) groupNames(i *secgroup.Interface) []string {
	var names []string
	for _, id := range i.Groups {
		if g := f.snap.Groups.Get(id); g != nil {
			names = append(names, g.Name)
		}
	}
	return names
}

// document is the instance's identity, as JSON.
func (f *Facts) document() string {
	private := ""
	if a := f.Interfaces[0].Addresses; len(a) > 0 {
		private = a[0].String()
	}
	text, err := json.MarshalIndent(map[string]any{
		"accountId": f.Interface.Account, "architecture": "x86_64", "availabilityZone": f.Subnet.Zone, "imageId": f.Instance.Image,
		"instanceId": f.Instance.ID, "instanceType": f.Instance.Type, "pendingTime": f.Instance.Launched.UTC().Format("2006-01-02T15:04:05Z"),
		"privateIp": private, "region": f.Interface.Region, "version": "2017-09-30",
	}, "", "  ")
	if err != nil {
		return ""
	}
	return string(text)
}

func lines(values []string) string { return strings.Join(values, "\n") }

func texts(addrs []netip.Addr) (out []string) {
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}

// look returns what is at a path: a value, or the names in a folder, those of
// folders with a slash.
func look(tree map[string]string, path string) (text string, found bool) {
	path = strings.TrimSuffix(path, "/")
	if value, ok := tree[path]; ok {
		return value, true
	}
	var names []string
	for at := range tree {
		rest, in := strings.CutPrefix(at, path+"/")
		if path == "" {
			rest, in = at, true
		}
		if !in {
			continue
		}
		if name, _, folder := strings.Cut(rest, "/"); folder {
			rest = name + "/"
		}
		if !slices.Contains(names, rest) {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return lines(names), len(names) > 0
}
