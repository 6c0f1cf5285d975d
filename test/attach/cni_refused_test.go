// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/vishvananda/netlink"

	"github.com/hedgeward/hedgeward/internal/testnet"
)

type ec2Interface = ec2types.NetworkInterface

func subnetsOf(ids ...string) *ec2.DescribeSubnetsInput {
	return &ec2.DescribeSubnetsInput{SubnetIds: ids}
}

// unjoined returns the first of several errors.
func unjoined(err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) > 0 {
		return many.Unwrap()[0]
	}
	return err
}

// TestAFailedADDLeavesNothingAndNoWayIn asks for what cannot be: each time the error
// says so, no interface is left in the API and none attached, and the container, which
// the plugin before has connected, is closed.
func TestAFailedADDLeavesNothingAndNoWayIn(t *testing.T) {
	w := here.world(t, "10.88.6.0/24")
	host := testnet.Host(t)
	for _, c := range []struct {
		id   string
		ours object
		args [][2]string
		code uint
		text string
	}{
		{id: "misspelt", ours: object{"group": []string{"web"}}, code: types.ErrInvalidNetworkConfig, text: `no member "group"`},
		{id: "nosubnet", ours: object{"subnet": ""}, code: types.ErrInvalidNetworkConfig, text: "it names no subnet"},
		{id: "nowhere", ours: object{"subnet": "subnet-00000000"}, code: types.ErrInvalidNetworkConfig, text: "subnet-00000000"},
		{id: "nobody", ours: object{"groups": []string{"nobody"}}, code: types.ErrInvalidNetworkConfig, text: "'nobody' does not exist"},
		{id: "text", ours: object{"groups": "web"}, code: types.ErrDecodingFailure, text: "not as documented"},
		{id: "forever", ours: object{"wait": 1e6}, code: types.ErrInvalidNetworkConfig, text: "seconds from 0"},
		{id: "argument", args: [][2]string{{"IgnoreUnknown", "1"}, {"HEDGEWARD_GROUP", "web"}}, code: types.ErrInvalidEnvironmentVariables, text: "its argument is HEDGEWARD_GROUPS"},
		{id: "lo", ours: object{"device": "lo"}, code: types.ErrInvalidNetworkConfig, text: "veths and taps"},
		{id: "nodevice", ours: object{"device": "vethnone"}, code: types.ErrInvalidNetworkConfig, text: "no device vethnone"},
		{id: "nosocket", ours: object{"socket": filepath.Join(t.TempDir(), "none")}, code: types.ErrTryAgainLater, text: "start hedgeward"},
		{id: "foreign", ours: object{"subnet": here.world(t, "10.88.7.0/24").subnet}, code: types.ErrInvalidNetworkConfig, text: "10.88.6."},
	} {
		if c.ours == nil {
			c.ours = object{}
		}
		r := w.runtime("bad-"+c.id, "ptp", c.ours)
		conf := r.space(c.id, c.args...)
		_, err := r.cni.AddNetworkList(t.Context(), r.list, conf)
		if n, said := code(err); n != c.code || !strings.Contains(said, c.text) {
			t.Errorf("%s: code %d, %s; want %d, …%s…", c.id, n, said, c.code, c.text)
		}
		inside := testnet.Named(t, "pod-"+c.id)
		for _, a := range addressesIn(t, inside) {
			port := inside.ServeTCP(t, netip.AddrPortFrom(a, 80).String())
			if err := host.TCP(port, within(false)); err == nil {
				t.Errorf("%s: %s of the container is reached", c.id, a)
			}
		}
		if left := w.interfaces(); len(left) > 0 {
			t.Errorf("%s: left: %+v", c.id, left)
		}
		for _, i := range here.attached(t) {
			t.Errorf("%s: attached: %+v", c.id, i)
		}
		if err := r.cni.DelNetworkList(t.Context(), r.list, conf); err != nil && c.id != "nosocket" && c.id != "text" && c.id != "forever" {
			t.Errorf("%s: DEL: %v", c.id, err)
		}
	}
}

// addressesIn returns the addresses of a container's interface.
func addressesIn(t *testing.T, n *testnet.NS) (out []netip.Addr) {
	t.Helper()
	all, err := n.Link.AddrList(n.Device(t, "eth0"), netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if ip, _ := netip.AddrFromSlice(a.IP); ip.IsGlobalUnicast() {
			out = append(out, ip.Unmap())
		}
	}
	if len(out) != 2 {
		t.Fatalf("the plugin before ours gave %v", all)
	}
	return out
}

// TestARetriedADDIsTheSameInterface: a runtime that was killed before it heard the
// answer asks again for the same container.
func TestARetriedADDIsTheSameInterface(t *testing.T) {
	w := here.world(t, "10.88.8.0/24")
	r := w.runtime("again", "ptp", object{})
	p := r.run("one")
	first := p.eni().ENI
	// Ours alone, with what the one before it answered.
	alone := r.network(p.result.CNIVersion, "again", object{"prevResult": p.result})
	if _, err := r.cni.AddNetworkList(t.Context(), alone, p.conf); err != nil {
		t.Fatal(err)
	}
	if now := p.eni(); now == nil || now.ENI != first || len(w.interfaces()) != 1 {
		t.Errorf("first %s, then %+v", first, now)
	}
	mac, _ := net.ParseMAC("02:00:00:00:88:01")
	if err := p.Link.LinkSetHardwareAddr(p.Device(t, "eth0"), mac); err != nil {
		t.Fatal(err)
	}
	if _, err := r.cni.AddNetworkList(t.Context(), alone, p.conf); err != nil {
		t.Fatal(err)
	}
	if now := p.eni(); now == nil || now.ENI != first || now.MAC != mac.String() || len(w.interfaces()) != 1 {
		t.Errorf("with another MAC address: %+v", now)
	}
	// The container was made anew in the same name, with another address.
	other := *p.result
	other.IPs = other.IPs[:1]
	if _, err := r.cni.AddNetworkList(t.Context(), r.network(p.result.CNIVersion, "again", object{"prevResult": other}), p.conf); err != nil {
		t.Fatal(err)
	}
	if now := p.eni(); now == nil || now.ENI == first || len(now.Addresses) != 1 || len(w.interfaces()) != 1 {
		t.Errorf("with other addresses: %+v", now)
	}

	// Given up by ours alone: the device is there, judged by nobody, and nothing passes.
	host, device, port := testnet.Host(t), p.device(), p.ServeTCP(t, netip.AddrPortFrom(p.ipv4, 80).String())
	if err := r.cni.DelNetworkList(t.Context(), alone, p.conf); err != nil || p.eni() != nil {
		t.Fatalf("DEL: %v", err)
	}
	if host.TCP(port, within(false)) == nil {
		t.Error("between our DEL and that of the plugin before, the container is open")
	}
	host.Up(t, device)
	if err := host.TCP(port, within(true)); err != nil {
		t.Errorf("nothing would pass anyhow: %v", err)
	}
	if err := p.del(); err != nil {
		t.Error(err)
	}
}
