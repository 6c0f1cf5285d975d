// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/internal/testetcd"
)

// TestReplicasShareSecrets starts three replicas on an empty cluster at once:
// they agree on the first account, and what one gives out the others take: access
// keys, sessions, page tokens. One with another key file does not start.
func TestReplicasShareSecrets(t *testing.T) {
	etcd := testetcd.Start(t, 1, nil)
	seal := sealFile(t)
	var all [3]*replica
	var errs [3]error
	var starts sync.WaitGroup
	for i := range all {
		starts.Go(func() { all[i], errs[i] = launchReplica(t, etcd, replicaOptions(etcd, seal)) })
	}
	starts.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	a, b, c := all[0], all[1], all[2]
	if a.in.key.ID != b.in.key.ID || b.in.key.ID != c.in.key.ID || a.in.key.Secret != c.in.key.Secret {
		t.Fatal("replicas that start together begin with different keys")
	}
	key, err := a.in.control.CreateAccessKey(t.Context(), a.in.key.Account, a.in.key.User)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := b.as(etcd, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}); err != nil {
		t.Errorf("a key that another replica made: %v", err)
	}
	if err := c.in.control.Fresh(t.Context()); err != nil { // as every call begins
		t.Fatal(err)
	}
	if err := c.in.control.SetAccessKeyDisabled(t.Context(), key.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}); code(err) != "AuthFailure" {
		t.Errorf("a key that another replica disabled: %v", err)
	}
	who := control.Actor{Account: a.in.key.Account, User: a.in.key.User, UserID: a.in.key.UserID, ARN: a.in.key.ARN(), AccessKey: a.in.key.ID}
	session, err := a.in.control.UserSession(who, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if secret, got, ok := b.in.control.OpenSession(session.AccessKey, session.Token); !ok || secret != session.Secret || got.User != who.User {
		t.Errorf("a session that another replica began: %v %v", got, ok)
	}
	for i := range 7 {
		name := fmt.Sprint("page", i)
		if _, err := a.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: &name, Description: &name}); err != nil {
			t.Fatal(err)
		}
	}
	var token *string
	names := map[string]bool{}
	for i, r := range []*replica{a, b} {
		page, err := r.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{MaxResults: aws.Int32(5), NextToken: token})
		if err != nil {
			t.Fatalf("page %d: %v", i, err)
		}
		for _, g := range page.SecurityGroups {
			names[*g.GroupName] = true
		}
		token = page.NextToken
	}
	if len(names) != 8 || token != nil { // with the default one
		t.Errorf("pages of two replicas together show %v", names)
	}

	o := replicaOptions(etcd, sealFile(t))
	log := o.logger()
	in, err := o.assemble(t.Context(), &state{dir: t.TempDir()}, log)
	if err != nil {
		t.Fatal(err)
	}
	api, err := o.listenAPI(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.serve(t.Context(), api, func() { t.Error("ready") }); err == nil || !strings.Contains(err.Error(), "use the key file") {
		t.Errorf("with another key file: %v", err)
	}
	o.sealKey = ""
	if _, err := o.assemble(t.Context(), &state{dir: t.TempDir()}, log); err == nil || !strings.Contains(err.Error(), "--seal-key") {
		t.Errorf("without a key file: %v", err)
	}
}

// TestReplicaOutlivesItsStore takes etcd away and gives it back. With one member
// of three gone nobody notices; without a majority calls are refused in time, in
// words that clients try again on, and readiness is withdrawn; afterwards all goes
// on by itself.
func TestReplicaOutlivesItsStore(t *testing.T) {
	etcd := testetcd.Start(t, 3, nil)
	r := startReplica(t, etcd, replicaOptions(etcd, sealFile(t)))
	ready := func() int {
		w := httptest.NewRecorder()
		r.in.health.handler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		return w.Code
	}
	write := func(name string) error {
		_, err := r.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: &name, Description: &name})
		return err
	}
	read := func() error {
		_, err := r.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
		return err
	}
	if err := write("before"); err != nil || ready() != 200 {
		t.Fatalf("%v, ready %d", err, ready())
	}
	etcd.StopMembers(0)
	for i := range 6 { // through whichever member
		if err := write(fmt.Sprint("one-gone-", i)); err != nil {
			t.Fatalf("with two members of three: %v", err)
		}
	}
	etcd.StopMembers(1)
	if ready() != 503 {
		t.Error("ready without a store")
	}
	for what, err := range map[string]error{"read": read(), "write": write("lost")} {
		if code(err) != "ServiceUnavailable" || !strings.Contains(err.Error(), "StatusCode: 503") {
			t.Errorf("%s without a store: %v", what, err)
		}
	}
	etcd.StartMembers(0, 1)
	deadline := time.After(20 * time.Second)
	for ready() != 200 {
		select {
		case <-deadline:
			t.Fatal("the replica does not come back")
		case <-time.After(100 * time.Millisecond):
		}
	}
	if err := write("after"); err != nil {
		t.Errorf("after the store came back: %v", err)
	}
	if err := read(); err != nil {
		t.Errorf("after the store came back: %v", err)
	}
}
