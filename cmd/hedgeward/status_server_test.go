// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestAServerSaysHowFarItsHostsAre: in status, in metrics, and in what
// DescribeNetworkInterfaces shows, while a host follows and after it is gone.
func TestAServerSaysHowFarItsHostsAre(t *testing.T) {
	o := newOffice(t)
	said := func() string {
		t.Helper()
		r, err := newReport(t.Context(), o.st)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := r.print(&text); err != nil {
			t.Fatal(err)
		}
		return text.String()
	}
	if got := said(); !strings.Contains(got, "There are no hosts") || !strings.Contains(got, "0 follow it") {
		t.Errorf("without a host:\n%s", got)
	}
	if _, err := o.join("rack-2", o.must("token", "create")); err != nil { // and never comes
		t.Fatal(err)
	}
	id, err := o.join("rack-1", o.must("token", "create"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, leave := o.followUntil(id)
	eventually(t, "the host is not connected", func() bool { return o.in.remote.present.Connected("rack-1") })
	caller := control.Caller{Scope: secgroup.Scope{Account: o.in.key.Account, Region: "us-east-1"}}
	launch := control.Launch{Image: images()[0].ID, Min: 1, Max: 1, Interfaces: []control.LaunchInterface{{}}}
	made, err := o.in.control.RunInstances(t.Context(), caller, launch)
	if err != nil {
		t.Fatal(err)
	}
	revision := o.in.model.Snapshot().Revision
	eventually(t, "the host does not acknowledge", func() bool { return o.in.view.Of("rack-1").Revision >= revision })

	got := said()
	for _, want := range []string{
		fmt.Sprintf(`^A server runs; the store, in this server, is at revision %d\.\n`, revision),
		`It holds 1 group, 1 interface and 1 instance\.\n`,
		`Hosts find it at 127\.0\.0\.1:\d+; 1 follows it\.\n`,
		`\nHOST +STATE +SINCE +REVISION +LAG +INTERFACES +BEHIND\n`,
		fmt.Sprintf(`\nrack-1 +connected +\d+s +%d +0 +1 +0\n`, revision),
		`\nrack-2 +away +- +unknown +- +0 +0\n`,
	} {
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	page := httptest.NewRecorder()
	o.in.newMetrics().Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`hedgeward_hosts{state="connected"} 1`, `hedgeward_hosts{state="away"} 1`,
		fmt.Sprintf(`hedgeward_host_enforced_revision{host="rack-1"} %d`, revision),
		`hedgeward_host_lag_seconds{host="rack-1"} 0`, `hedgeward_host_interfaces_behind{host="rack-1"} 0`,
	} {
		if !strings.Contains(page.Body.String(), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if strings.Contains(page.Body.String(), "rack-2") || strings.Contains(page.Body.String(), "eni-") {
		t.Error("the server shows series of a host that does not follow it, or of interfaces")
	}
	snap := o.in.control.Read()
	eni := control.Attached(snap, made[0].ID)[0]
	if at := o.in.control.InForce(snap)(eni); at < revision {
		t.Errorf("revision %d is said to be in force at %s, the host acknowledged %d", at, eni.ID, revision)
	}

	leave()
	eventually(t, "the host is still connected", func() bool { return !o.in.remote.present.Connected("rack-1") })
	want := fmt.Sprintf(`\nrack-1 +away +\d+s +%d +0 +1 +0\n`, revision)
	if got := said(); !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("no %s in\n%s", want, got)
	}
}

// TestInterfacesThatAreBehindAreNamed: some of them, with what judges them.
func TestInterfacesThatAreBehindAreNamed(t *testing.T) {
	behind := map[string]int64{"eni-a": 0, "eni-b": 5}
	for n := range 20 {
		behind[fmt.Sprintf("eni-c%02d", n)] = 6
	}
	r := &report{
		Running: true, running: running{Server: &holdings{Revision: 9, Store: "cluster", Agents: "192.0.2.1:4567"}},
		Hosts: []shownHost{{Name: "rack-1", State: hostConnected, Revision: 7, Interfaces: 30, Behind: behind}, {State: "none"}},
	}
	var text strings.Builder
	if err := r.printServer(&text, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"the store, in a cluster, is at revision 9.", "eni-a on rack-1 is closed: nothing judges it yet.\n", "eni-b on rack-1 is judged by revision 5.\n",
		"eni-c07 on rack-1 is judged by revision 6.\nand 12 more on rack-1\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s in\n%s", want, text.String())
		}
	}
	if !regexp.MustCompile(`\nrack-1 +connected +- +7 +2 +30 +22\n`).MatchString(text.String()) || strings.Contains(text.String(), "none") {
		t.Errorf("the host is listed as\n%s", text.String())
	}
	r = &report{Running: true, running: running{Server: &holdings{}}, NoHosts: "the store is away"}
	text.Reset()
	if err := r.print(&text); err != nil || !strings.Contains(text.String(), "It cannot list the hosts now: the store is away") || strings.Contains(text.String(), "There are no hosts") {
		t.Errorf("%v\n%s", err, text.String())
	}
}
