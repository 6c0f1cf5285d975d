// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestDeviceName(t *testing.T) {
	for id, want := range map[string]string{
		"eni-0123456789abcdef0": "hw456789abcdef0",
		"eni-0a1b2c3d":          "hw0a1b2c3d", // the old length
	} {
		if got := DeviceName(id); got != want || len(got) > 15 {
			t.Errorf("DeviceName(%s) = %s, want %s", id, got, want)
		}
	}
}

func TestMarks(t *testing.T) {
	iface, instance, ok := parseDeviceMark(deviceMark("eni-12", "i-34"))
	if iface != "eni-12" || instance != "i-34" || !ok {
		t.Errorf("device mark: %q %q %v", iface, instance, ok)
	}
	for _, host := range []string{"", "ip-10-0-0-4"} {
		if id, got, ok := parseNamespaceMark(namespaceMark("i-34", host)); id != "i-34" || got != host || !ok {
			t.Errorf("namespace mark: %q %q %v", id, got, ok)
		}
	}
	for _, alias := range []string{"", "hedgeward", "hedgeward eni-12", "other eni-12 i-34", "hedgeward eni-12 i-34 x",
		"hedgeward i-34 eni-12", "hedgeward eni-../x i-34"} {
		if _, _, ok := parseDeviceMark(alias); ok {
			t.Errorf("%q is taken for a device mark", alias)
		}
	}
	for _, alias := range []string{"", "hedgeward", "other i-34", "hedgeward i-34 a b", "hedgeward eni-12 i-34"} {
		if _, _, ok := parseNamespaceMark(alias); ok {
			t.Errorf("%q is taken for a namespace mark", alias)
		}
	}
}

func TestSpecCheck(t *testing.T) {
	good := func() Spec {
		return Spec{ID: "i-0123456789abcdef0", Interfaces: []Interface{newInterface(0, 4), newInterface(1, 5)}}
	}
	s := good()
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*Spec)
		says  string
	}{
		"id":            {func(s *Spec) { s.ID = "i-../../etc" }, "instance id"},
		"empty":         {func(s *Spec) { s.ID = "" }, "instance id"},
		"host name":     {func(s *Spec) { s.Hostname = "a b" }, "host name"},
		"interface id":  {func(s *Spec) { s.Interfaces[0].ID = "eni-x/y" }, "interface id"},
		"same index":    {func(s *Spec) { s.Interfaces[1].DeviceIndex = 0 }, "device index 0"},
		"same device":   {func(s *Spec) { s.Interfaces[1].ID = "eni-" + s.Interfaces[0].ID[8:] }, "share the device name"},
		"index":         {func(s *Spec) { s.Interfaces[0].DeviceIndex = -1 }, "device index -1"},
		"no MAC":        {func(s *Spec) { s.Interfaces[0].MAC = nil }, "Ethernet"},
		"multicast MAC": {func(s *Spec) { s.Interfaces[0].MAC = net.HardwareAddr{1, 0, 0, 0, 0, 1} }, "Ethernet"},
		"address":       {func(s *Spec) { s.Interfaces[0].Addresses[0] = netip.Prefix{} }, "invalid address"},
		"mapped":        {func(s *Spec) { s.Interfaces[0].Addresses[0] = netip.MustParsePrefix("::ffff:10.0.0.1/120") }, "invalid address"},
		"two gateways": {func(s *Spec) {
			s.Interfaces[0].Gateways = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
		}, "gateways"},
	} {
		s := good()
		c.spoil(&s)
		if err := s.check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one about %q", name, err, c.says)
		}
	}
}

func TestHostname(t *testing.T) {
	s := Spec{ID: "i-0123456789abcdef0"}
	if got := s.hostname(); got != s.ID {
		t.Errorf("without an address: %s", got)
	}
	s.Interfaces = []Interface{newInterface(1, 5), newInterface(0, 4)}
	if got := s.hostname(); got != "ip-10-9-0-4" {
		t.Errorf("without a name: %s", got)
	}
	s.Hostname = "db"
	if got := s.hostname(); got != "db" {
		t.Errorf("with a name: %s", got)
	}
}

func TestImages(t *testing.T) {
	list := Images()
	if len(list) == 0 || list[0].ID != "ami-netns" {
		t.Fatalf("images: %+v", list)
	}
	list[0].ID = "ami-changed"
	if image, ok := FindImage("ami-netns"); !ok || image.Description == "" {
		t.Errorf("ami-netns: %+v %v", image, ok)
	}
	if _, ok := FindImage("ami-0abcdef1234567890"); ok {
		t.Error("an image that nobody documented is known")
	}
}
