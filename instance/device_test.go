// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestDevicesThatCannotBeJudged: who asks for one is told why, and what to make
// instead.
func TestDevicesThatCannotBeJudged(t *testing.T) {
	of := func(kind string) netlink.LinkAttrs {
		return netlink.LinkAttrs{Name: "there", Index: 7, EncapType: kind}
	}
	for _, tt := range []struct {
		link netlink.Link
		want string // "": it can be judged
	}{
		{&netlink.Tuntap{LinkAttrs: of("ether")}, ""},
		{&netlink.Veth{LinkAttrs: of("ether")}, ""},
		{&netlink.Device{LinkAttrs: of("ether")}, ""},
		{&netlink.Macvtap{Macvlan: netlink.Macvlan{LinkAttrs: of("ether")}}, "make it a tap"},
		{&netlink.Wireguard{LinkAttrs: of("none")}, "make it a tap or veth"},
	} {
		d, err := device(tt.link)
		switch {
		case tt.want == "" && (err != nil || d.Name != "there" || d.Index != 7):
			t.Errorf("%s: %+v, %v", tt.link.Type(), d, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want an error that says %q", tt.link.Type(), err, tt.want)
		}
	}
}
