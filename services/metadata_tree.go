// SPDX-License-Identifier: Apache-2.0

package services

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
)

// tree returns everything that the metadata service says to an asker, by path below
// /latest/. A path that ends in a slash in no key is a folder of those that begin
// with it.
func (f *Facts) tree() map[string]string {
	in, primary := f.Instance, f.Interfaces[0]
	out := map[string]string{
		"meta-data/ami-id":                         f.Image,
		"meta-data/ami-launch-index":               strconv.Itoa(f.Index),
		"meta-data/instance-id":                    in.ID,
		"meta-data/instance-type":                  f.Type,
		"meta-data/instance-life-cycle":            "on-demand",
		"meta-data/reservation-id":                 f.Launch,
		"meta-data/mac":                            primary.MAC,
		"meta-data/placement/availability-zone":    f.Zone,
		"meta-data/placement/availability-zone-id": f.ZoneID,
		"meta-data/placement/region":               f.Region,
		"meta-data/security-groups":                lines(f.groupNames(primary)),
		"meta-data/services/domain":                "amazonaws.com",
		"meta-data/services/partition":             "aws",
		"dynamic/instance-identity/document":       f.document(),
	}
	if own := addresses(primary, netip.Addr.Is4); len(own) > 0 {
		name := secgroup.PrivateDNSName(f.Region, own[0].Addr())
		out["meta-data/local-ipv4"] = own[0].Addr().String()
		out["meta-data/local-hostname"], out["meta-data/hostname"] = name, name
		if public := public(primary, own[0].Addr()); public.IsValid() {
			out["meta-data/public-ipv4"] = public.String()
			out["meta-data/public-hostname"] = secgroup.PublicDNSName(f.Region, public)
		}
	}
	if own := addresses(primary, netip.Addr.Is6); len(own) > 0 {
		out["meta-data/ipv6"] = own[0].Addr().String()
	}
	if len(in.UserData) > 0 {
		out["user-data"] = string(in.UserData)
	}
	for _, t := range f.Tags {
		out["meta-data/tags/instance/"+t.Key] = t.Value
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
func (f *Facts) addInterface(out map[string]string, i *feed.Interface) {
	at := "meta-data/network/interfaces/macs/" + i.MAC + "/"
	add := func(name, value string) { out[at+name] = value }
	own4, own6 := addresses(i, netip.Addr.Is4), addresses(i, netip.Addr.Is6)
	add("device-number", strconv.Itoa(i.DeviceIndex))
	add("interface-id", i.ID)
	add("mac", i.MAC)
	add("owner-id", i.Owner)
	add("security-groups", lines(f.groupNames(i)))
	add("security-group-ids", lines(i.Groups))
	add("subnet-id", i.Subnet)
	add("vpc-id", i.VPC)
	add("local-ipv4s", lines(texts(own4)))
	add("ipv6s", lines(texts(own6)))
	if len(own4) > 0 {
		add("subnet-ipv4-cidr-block", own4[0].Masked().String())
		add("local-hostname", secgroup.PrivateDNSName(f.Region, own4[0].Addr()))
	}
	var blocks []string
	for _, p := range i.VPCPrefixes {
		if p.Addr().Is4() {
			blocks = append(blocks, p.String())
		}
	}
	if len(blocks) > 0 {
		add("vpc-ipv4-cidr-block", blocks[0])
		add("vpc-ipv4-cidr-blocks", lines(blocks))
	}
	var publics []string
	for _, p := range own4 {
		if public := public(i, p.Addr()); public.IsValid() {
			add("ipv4-associations/"+public.String(), p.Addr().String())
			publics = append(publics, public.String())
		}
	}
	add("public-ipv4s", lines(publics))
}

func (f *Facts) groupNames(i *feed.Interface) []string {
	var names []string
	for _, id := range i.Groups {
		if name := f.name(id); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// document is the instance's identity, as JSON.
func (f *Facts) document() string {
	private := ""
	if own := addresses(f.Interfaces[0], netip.Addr.Is4); len(own) > 0 {
		private = own[0].Addr().String()
	}
	text, err := json.MarshalIndent(map[string]any{
		"accountId": f.Account, "architecture": "x86_64", "availabilityZone": f.Zone, "imageId": f.Image,
		"instanceId": f.Instance.ID, "instanceType": f.Type, "pendingTime": time.Unix(f.Started, 0).UTC().Format("2006-01-02T15:04:05Z"),
		"privateIp": private, "region": f.Region, "version": "2017-09-30",
	}, "", "  ")
	if err != nil {
		return ""
	}
	return string(text)
}

func lines(values []string) string { return strings.Join(values, "\n") }

func texts(addrs []netip.Prefix) (out []string) {
	for _, p := range addrs {
		out = append(out, p.Addr().String())
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
