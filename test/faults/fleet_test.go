// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
)

// studio is a fleet on the hosts of an installation.
type studio struct {
	*appstream.Client
	t    *testing.T
	from *node // where users are
}

func newStudio(t *testing.T, r *replicas, from *node) *studio {
	t.Helper()
	state := filepath.Join(r.nodes[0].dir, "state")
	cfg, err := config.LoadDefaultConfig(t.Context(),
		config.WithSharedConfigProfile("hedgeward"),
		config.WithSharedConfigFiles([]string{filepath.Join(state, "aws", "config")}),
		config.WithSharedCredentialsFiles([]string{filepath.Join(state, "aws", "credentials")}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return &studio{t: t, from: from, Client: appstream.NewFromConfig(cfg, func(o *appstream.Options) {
		o.BaseEndpoint = aws.String("http://" + r.nodes[0].address + ":4566")
		o.HTTPClient = &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: from.dial}}
	})}
}

// running makes a fleet of two in a subnet, with a stack, and waits until it runs.
func (s *studio) running(subnet string) {
	s.t.Helper()
	ctx, name := s.t.Context(), aws.String("office")
	_, err := s.CreateFleet(ctx, &appstream.CreateFleetInput{
		Name: name, InstanceType: aws.String("stream.standard.small"), ImageName: aws.String("AppStream-WinServer2022-11-03-2025"),
		ComputeCapacity: &types.ComputeCapacity{DesiredInstances: aws.Int32(2)}, VpcConfig: &types.VpcConfig{SubnetIds: []string{subnet}},
	})
	if err == nil {
		_, err = s.StartFleet(ctx, &appstream.StartFleetInput{Name: name})
	}
	if err == nil {
		_, err = s.CreateStack(ctx, &appstream.CreateStackInput{Name: aws.String("desk")})
	}
	if err == nil {
		_, err = s.AssociateFleet(ctx, &appstream.AssociateFleetInput{FleetName: name, StackName: aws.String("desk")})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the fleet runs", func() error {
		got, err := s.DescribeFleets(ctx, &appstream.DescribeFleetsInput{Names: []string{*name}})
		if err != nil {
			return err
		}
		if f := got.Fleets[0]; f.State != types.FleetStateRunning || *f.ComputeCapacityStatus.Running != 2 {
			return fmt.Errorf("it is %s with %d instances: %+v", f.State, *f.ComputeCapacityStatus.Running, f.FleetErrors)
		}
		return nil
	})
}

// watched is the stream of a user.
type watched struct {
	instance, session string
	frames            *bufio.Scanner
}

// watch opens a user's session.
func (s *studio) watch(user string) *watched {
	s.t.Helper()
	made, err := s.CreateStreamingURL(s.t.Context(), &appstream.CreateStreamingURLInput{FleetName: aws.String("office"), StackName: aws.String("desk"), UserId: &user})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, *made.StreamingURL, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DialContext: s.from.dial}}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		s.t.Fatalf("%s is answered %s", *made.StreamingURL, answer.Status)
	}
	return &watched{answer.Header.Get("Hedgeward-Instance"), answer.Header.Get("Hedgeward-Session"), bufio.NewScanner(answer.Body)}
}

// goesOn wants further frames.
func (v *watched) goesOn(t *testing.T, what string) {
	t.Helper()
	for range 100 {
		if !v.frames.Scan() {
			t.Fatalf("%s: the stream of %s has ended: %v", what, v.instance, v.frames.Err())
		}
	}
}

// TestFleetsOnHosts: users stream from instances of all hosts through the gateway on
// one of them, also while no agent runs; who may stay is a server's word (docs/spec/appstream.md section 1.9).
func TestFleetsOnHosts(t *testing.T) {
	w := newWire(t)
	r := newReplicas(t, w, newCluster(t, w, 0), 1, "--agents", fmt.Sprintf("0.0.0.0:%d", agentsPort))
	from := w.node("client")
	hosts := newHosts(t, w, r, 2, bin)
	again := func() { // users reach the gateway at the address of its host
		t.Helper()
		for _, h := range hosts {
			h.stop(syscall.SIGKILL)
			if err := h.launch("following", filepath.Join(h.bin, "hedgeward-agent"), "--state", filepath.Join(h.dir, "state"), "run", "--streams", h.address+":8443"); err != nil {
				t.Fatal(err)
			}
		}
	}
	again()
	world := newWorld(t, r.client(t, r.nodes[0], from))
	s := newStudio(t, r, from)
	s.running(world.subnet)
	bob, eve := s.watch("bob"), s.watch("eve")
	for _, v := range []*watched{bob, eve} {
		v.goesOn(t, "a stream")
	}
	where := map[string]string{}
	listed := r.nodes[0].run("hedgeward", "--state", filepath.Join(r.nodes[0].dir, "state"), "host", "list", "--instances")
	host := ""
	for line := range strings.Lines(listed) {
		words := strings.Fields(line)
		for _, h := range hosts {
			if slices.Contains(words, h.name) {
				host = h.name
			}
		}
		for _, v := range []*watched{bob, eve} {
			if strings.Contains(line, v.instance) {
				where[v.instance] = host
			}
		}
	}
	if len(where) != 2 || where[bob.instance] == where[eve.instance] {
		t.Errorf("the instances are at %v: not one on each host\n%s", where, listed)
	}

	for _, h := range hosts {
		h.stop(syscall.SIGKILL)
	}
	for _, v := range []*watched{bob, eve} {
		v.goesOn(t, "without agents")
	}
	again()
	if _, err := s.ExpireSession(t.Context(), &appstream.ExpireSessionInput{SessionId: &bob.session}); err != nil {
		t.Fatal(err)
	}
	for bob.frames.Scan() { // until it ends
	}
	eve.goesOn(t, "after another's session")
	eventually(t, "another user streams from the instance that replaces it", func() error {
		got, err := s.DescribeFleets(t.Context(), &appstream.DescribeFleetsInput{Names: []string{"office"}})
		if err != nil {
			return err
		}
		if n := *got.Fleets[0].ComputeCapacityStatus.Available; n != 1 {
			return fmt.Errorf("%d instances are available", n)
		}
		return nil
	})
	ann := s.watch("ann")
	ann.goesOn(t, "a further user")
	if ann.instance == bob.instance || ann.instance == eve.instance {
		t.Errorf("a further user is on %s, which another one had", ann.instance)
	}
}
