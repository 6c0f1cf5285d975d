// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/hedgeward/hedgeward/attach"
)

// desk answers at a host's socket, and notes what is given back.
type desk struct {
	attached []attach.Interface
	answer   any // to who attaches; an *attach.Error refuses
	detached []string
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var out any = d.attached
	switch r.Method {
	case "DELETE":
		d.detached = append(d.detached, filepath.Base(r.URL.Path))
		out = struct{}{}
	case "POST":
		out = d.answer
	}
	if _, no := out.(*attach.Error); no {
		w.WriteHeader(http.StatusConflict)
	}
	json.NewEncoder(w).Encode(out)
}

func newDesk(t *testing.T) (*desk, *attach.Client) {
	t.Helper()
	d, socket := &desk{attached: []attach.Interface{}}, filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: d}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return d, &attach.Client{Socket: socket}
}

// one is a container's interface as it is asked for, and its device, which is not there.
var (
	one = attach.Request{Device: "veth1", MAC: "02:00:00:00:00:01", For: "cni/pods/one/eth0", Subnet: "subnet-1", Addresses: []string{"10.0.0.4", "2001:db8::4"}}
	its = ends{device: "veth1", index: 1 << 30, mac: one.MAC, peer: true}
)

// asAsked is what the host answers if all is well.
func asAsked() attach.Interface {
	return attach.Interface{ENI: "eni-1", Device: one.Device, MAC: one.MAC, For: one.For, Addresses: []string{"2001:db8::4", "10.0.0.4"}, Index: its.index, State: attach.Enforced}
}

// TestWhatIsNotAsAskedIsNoSuccess: neither what is not in force, nor what a host says
// that knows less than we asked. What is claimed is given back, whether listed or not.
func TestWhatIsNotAsAskedIsNoSuccess(t *testing.T) {
	d, client := newDesk(t)
	d.answer = asAsked()
	if eni, err := claim(t.Context(), client, one, &its); eni != "eni-1" || err != nil {
		t.Fatalf("%s, %v", eni, err)
	}
	wrong := func(edit func(*attach.Interface)) any {
		i := asAsked()
		edit(&i)
		return i
	}
	for what, c := range map[string]struct {
		answer any
		code   uint
	}{
		"in no time":            {&attach.Error{Code: attach.NotEnforced, Message: "not yet", ENI: "eni-1"}, types.ErrTryAgainLater},
		"closed":                {wrong(func(i *attach.Interface) { i.State = attach.Closed }), types.ErrInternal},
		"at another device":     {wrong(func(i *attach.Interface) { i.Index = 7 }), types.ErrInternal},
		"with another address":  {wrong(func(i *attach.Interface) { i.Addresses = i.Addresses[:1] }), types.ErrInternal},
		"with another MAC":      {wrong(func(i *attach.Interface) { i.MAC = "02:00:00:00:00:02" }), types.ErrInternal},
		"of a host that is old": {wrong(func(i *attach.Interface) { i.For = "" }), types.ErrInternal},
	} {
		d.answer, d.detached = c.answer, nil
		eni, err := claim(t.Context(), client, one, &its)
		if e := new(types.Error); eni != "eni-1" || !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%s: %s, %v", what, eni, err)
		}
		if err := giveBack(client, one.For, eni); err != nil || !slices.Equal(d.detached, []string{"eni-1"}) {
			t.Errorf("%s: given back %q, %v", what, d.detached, err)
		}
	}
	d.answer = &attach.Error{Code: "InvalidSubnetID.NotFound", Message: "no such subnet"}
	if eni, err := claim(t.Context(), client, one, &its); eni != "" || !strings.Contains(err.Error(), "InvalidSubnetID.NotFound: no such subnet") {
		t.Errorf("%q, %v", eni, err)
	}
}

// TestOnlyWhatNobodyComesBackForMakesWay: of other containers, of other tools and of
// nobody, what does not hold the device of this one stays.
func TestOnlyWhatNobodyComesBackForMakesWay(t *testing.T) {
	at := func(eni, device, of string, addresses ...string) attach.Interface {
		return attach.Interface{ENI: eni, Device: device, For: of, Addresses: addresses, State: attach.Enforced}
	}
	for _, c := range []struct {
		has  attach.Interface
		goes bool
	}{
		{at("eni-same", "veth1", one.For, one.Addresses...), false},
		{at("eni-addressed", "veth1", one.For, "10.0.0.5"), true},
		{at("eni-moved", "veth0", one.For, one.Addresses...), true},
		{at("eni-stale", "veth1", "cni/pods/two/eth0"), true},
		{at("eni-other", "veth2", "cni/pods/two/eth0"), false},
		{at("eni-machine", "veth1", "libvirt/two"), false},
		{at("eni-manual", "veth1", ""), false},
	} {
		d, client := newDesk(t)
		d.attached = []attach.Interface{c.has}
		if err := makeWay(t.Context(), client, one, &its); err != nil || (len(d.detached) == 1) != c.goes {
			t.Errorf("%s: given back %q, %v", c.has.ENI, d.detached, err)
		}
		named := its
		named.peer = false // by the configuration: it may be another container's in truth
		d.detached = nil
		if err := makeWay(t.Context(), client, one, &named); err != nil || len(d.detached) == 1 && c.has.For != one.For {
			t.Errorf("%s, at a device that is only named: given back %q, %v", c.has.ENI, d.detached, err)
		}
	}
}
