// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/attach"
)

// desk answers at a host's socket: everything that is asked for is in state.
type desk struct {
	attached map[string]attach.Interface
	state    string
	refusal  *attach.Error // of attaching
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	eni := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v1/interfaces"), "/")
	var out any
	switch r.Method {
	case "GET":
		all := []attach.Interface{}
		for _, i := range d.attached {
			all = append(all, i)
		}
		out = all
	case "DELETE":
		delete(d.attached, eni)
		out = struct{}{}
	default:
		var in attach.Request
		if json.NewDecoder(r.Body).Decode(&in) != nil || d.refusal != nil {
			w.WriteHeader(http.StatusConflict)
			out = d.refusal
			break
		}
		if eni == "" {
			eni = "eni-made"
		}
		i := attach.Interface{ENI: eni, Device: in.Device, MAC: in.MAC, For: in.For, State: d.state}
		d.attached[eni] = i
		out = i
	}
	json.NewEncoder(w).Encode(out)
}

// newHook returns a hook and who answers it.
func newHook(t *testing.T) (*Hook, *desk) {
	t.Helper()
	d := &desk{attached: map[string]attach.Interface{}, state: attach.Enforced}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: d}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return &Hook{Client: &attach.Client{Socket: socket}, Log: slog.New(slog.DiscardHandler)}, d
}

const (
	first  = `<hw:interface mac="52:54:00:12:34:56" eni="eni-1"/>`
	second = `<hw:interface mac="52:54:00:12:34:57" subnet="subnet-1"/>`
	tapped = `<interface type='network'><mac address='52:54:00:12:34:57'/><source network='n' bridge='br0'/><target dev='vnet1'/></interface>`
)

// does runs the hook for an operation and wants it to succeed, or to say a text.
func (h *Hook) does(t *testing.T, when, xml, want string) {
	t.Helper()
	operation, sub, _ := strings.Cut(when, " ")
	err := h.Run(t.Context(), operation, sub, strings.NewReader(xml))
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: %v, want %q", when, err, want)
	}
}

func (d *desk) has(t *testing.T, when string, want ...string) {
	t.Helper()
	var got []string
	for _, i := range d.attached {
		got = append(got, i.ENI+" at "+i.Device)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: attached are %q, want %q", when, got, want)
	}
}

func TestAMachineStartsEnforcedOrNotAtAll(t *testing.T) {
	h, d := newHook(t)
	both := domain(first+second, bridged+tapped)
	for _, when := range []string{"prepare begin", "start begin", "started begin", "reconnect begin"} {
		h.does(t, when, both, "")
		if when != "prepare begin" {
			d.has(t, when, "eni-1 at vnet0", "eni-made at vnet1")
		}
	}
	d.attached["eni-9"] = attach.Interface{ENI: "eni-9", Device: "tap9", For: "libvirt/another"}
	for _, when := range []string{"stopped end", "release end", "stopped end"} {
		h.does(t, when, domain("", ""), "") // also when its metadata was taken out
		d.has(t, when, "eni-9 at tap9")
	}
	delete(d.attached, "eni-9")

	for _, c := range []struct{ marks, devices, want string }{
		{first, bridged + tapped, "interface with MAC address 52:54:00:12:34:57 is not in the metadata"},
		{" ", bridged, "52:54:00:12:34:56 is not in the metadata"},
		{first, strings.Replace(bridged, "'bridge'", "'hostdev'", 1), "of type hostdev and has no tap"},
		{first, strings.Replace(bridged, "bridge='br0'", "dev='eth0' mode='vepa'", 1), "of type bridge with a macvtap and has no tap"},
		{first, strings.Replace(bridged, "<target dev='vnet0'/>", "", 1), "libvirt names no tap"},
		{`<hw:interface/>`, bridged, "no MAC address"},
	} {
		for _, when := range []string{"start begin", "started begin", "attach begin"} {
			h.does(t, when, domain(c.marks, c.devices), c.want)
			d.has(t, when)
		}
	}
	h.does(t, "prepare begin", domain(first, strings.Replace(bridged, "<target dev='vnet0'/>", "", 1)), "")

	d.attached["eni-made"] = attach.Interface{ENI: "eni-made", Device: "vnet7", For: "libvirt/1b4e28ba-2fa1-11d2-883f-0016d3cca427/52:54:00:12:34:57"}
	h.does(t, "start begin", both, "") // its tap has another name than the last time
	d.has(t, "again", "eni-1 at vnet0", "eni-made at vnet1")
	h.does(t, "start begin", domain(strings.Replace(first, "eni-1", "eni-2", 1)+second, bridged+tapped), "")
	d.has(t, "with another interface", "eni-2 at vnet0", "eni-made at vnet1")
	h.does(t, "start begin", both, "")
	d.state = attach.Behind
	h.does(t, "started begin", both, "is not what was asked for")
	d.has(t, "until libvirt has killed it", "eni-1 at vnet0", "eni-made at vnet1")
	h.does(t, "start begin", both, "is not what was asked for")
	d.has(t, "refused")
	d.attached["eni-left"] = attach.Interface{ENI: "eni-left"} // claimed, and the host had not heard of it in time
	d.refusal = &attach.Error{Code: attach.NotEnforced, Message: "not yet", ENI: "eni-left"}
	h.does(t, "start begin", both, "not yet")
	d.has(t, "not in time")
	h.does(t, "migrate begin", both, "shut it down there and start it here")
}

func TestMachinesOfOthersAreNotOurs(t *testing.T) {
	h, d := newHook(t)
	plain := domain("", bridged)
	operations := []string{"prepare begin", "start begin", "started begin", "reconnect begin", "attach begin", "migrate begin"}
	for _, when := range append(operations, "restore begin", "define begin", "stopped end") {
		h.does(t, when, plain, "")
	}
	h.All = true
	for _, when := range operations {
		h.does(t, when, plain, "names no interfaces for hedgeward")
		h.does(t, when, domain("", ""), "") // has none
	}
	d.has(t, "of others")
}

// TestARunningMachineIsKilledOnlyIfNobodyJudgesIt: libvirt kills what reconnecting
// fails for.
func TestARunningMachineIsKilledOnlyIfNobodyJudgesIt(t *testing.T) {
	h, d := newHook(t)
	one := domain(first, bridged)
	h.does(t, "start begin", one, "")
	i := d.attached["eni-1"]
	for _, c := range []struct {
		code, state string
		goesOn      bool
	}{
		{attach.Unavailable, attach.Failed, true}, // the server is away, and with it the answer
		{attach.NotEnforced, attach.Behind, true},
		{attach.NotEnforced, attach.Closed, true},
		{attach.NotEnforced, attach.Failed, false},
		{attach.NotEnforced, attach.Absent, false},
		{"InvalidNetworkInterface.InUse", attach.Enforced, true}, // its metadata names another now
	} {
		d.refusal, i.State = &attach.Error{Code: c.code, Message: "no: " + c.code}, c.state
		d.attached["eni-1"] = i
		want := "no: " + c.code
		if c.goesOn {
			want = ""
		}
		h.does(t, "reconnect begin", one, want)
	}
	d.refusal = &attach.Error{Code: "InvalidParameterValue", Message: "Device vnet0 of host h1 is interface eni-2."}
	i.For = "libvirt/another"
	d.attached["eni-1"] = i
	h.does(t, "reconnect begin", one, "is interface eni-2")
	h.Client.Socket += "-gone"
	h.does(t, "reconnect begin", one, "")
	h.does(t, "reconnect begin", domain(first, bridged+tapped), "is not in the metadata")
	h.does(t, "start begin", one, "start hedgeward")
	h.does(t, "stopped end", one, "start hedgeward")
	h.does(t, "stopped end", domain("", bridged), "")
}
