// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/control"
)

func demoFleetCommand(st *state) *cobra.Command {
	return &cobra.Command{
		Use:   "appstream",
		Short: "Show what groups do to a streaming fleet, and that they do not touch the stream",
		Long: "Make a VPC with a licence server, a file server and a database, and a streaming fleet, through the public API; " +
			"show what the streaming instance reaches before and after rules change, that frames flow with no rules at all, " +
			"and that a running fleet refuses other groups; compare every outcome with docs/spec/appstream.md, and clean up.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := mustBeRoot("demo"); err != nil {
				return err
			}
			return runShow(cmd.Context(), st, (*show).playFleet)
		},
	}
}

// demoServices are the servers of the story and the ports of theirs.
var demoServices = []struct {
	name string
	port int
}{{"licence", 27000}, {"files", 445}, {"database", 5432}}

const (
	demoFleet = "hedgeward-demo"
	demoWait  = time.Minute
)

// playFleet makes the world of the fleet and lets it be probed.
func (s *show) playFleet(ctx context.Context) error {
	w := s.world
	fmt.Println("Making a VPC with a licence server, a file server and a database, and a fleet of one streaming instance.")
	if err := w.network(ctx); err != nil {
		return err
	}
	users, err := w.bareGroup(ctx, "streaming")
	if err != nil {
		return err
	}
	servers := map[string]*demoInstance{}
	groups := map[string]string{}
	members := types.IpPermission{UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &users}}}
	for _, service := range demoServices {
		group, err := w.group(ctx, service.name)
		if err != nil {
			return err
		}
		rule, err := w.allow(ctx, group, int32(service.port), members)
		if err != nil {
			return err
		}
		w.later(func(ctx context.Context) error { return w.revoke(ctx, group, rule) })
		i, err := w.run(ctx, service.name, group)
		if err != nil {
			return err
		}
		if ready, err := s.probe.start(ctx, i.id, "listen", ":"+strconv.Itoa(service.port)).next(); err != nil || ready != probeReady {
			return errors.Join(fmt.Errorf("no listener in %s: %q", service.name, ready), err)
		}
		servers[service.name], groups[service.name] = i, group
	}
	if err := w.egress(ctx, users, 27000, groups["licence"]); err != nil {
		return err
	}
	streamer, err := w.fleet(ctx, users)
	if err != nil {
		return err
	}
	reaches := func(when string, open ...string) error {
		if err := s.settle(ctx); err != nil {
			return err
		}
		fmt.Printf("\n%s:\n", when)
		for _, service := range demoServices {
			want := false
			for _, name := range open {
				want = want || name == service.name
			}
			got, err := s.probe.dial(ctx, streamer.id, net.JoinHostPort(servers[service.name].ip, strconv.Itoa(service.port)))
			if err != nil {
				return err
			}
			s.tell(fmt.Sprintf("streaming instance to %s, port %d", service.name, service.port), got, want)
		}
		return nil
	}
	if err := reaches("The fleet's group lets port 27000 out to the licence server alone", "licence"); err != nil {
		return err
	}
	for _, service := range demoServices[1:] {
		if err := w.egress(ctx, users, int32(service.port), groups[service.name]); err != nil {
			return err
		}
	}
	if err := reaches("Rules for the file server and the database are added while the fleet runs", "licence", "files", "database"); err != nil {
		return err
	}
	stream, err := w.stream(ctx)
	if err != nil {
		return err
	}
	if err := w.closeAll(ctx, users); err != nil {
		return err
	}
	if err := reaches("All rules of the group are gone"); err != nil {
		return err
	}
	before := stream.Load()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	frames := stream.Load() - before
	s.tell(fmt.Sprintf("the user's stream, %d frames in the next second", frames), frames >= 10, true)

	fmt.Println("\nAnother group for the running fleet:")
	refusal := new(callError)
	err = w.calls.call(ctx, "UpdateFleet", map[string]any{
		"Name": demoFleet, "VpcConfig": map[string]any{"SecurityGroupIds": []string{groups["files"]}},
	}, nil)
	if !errors.As(err, &refusal) {
		return fmt.Errorf("a running fleet takes other groups: %w", errors.Join(err, errors.New("UpdateFleet was not refused")))
	}
	fmt.Printf("  %v\n", refusal)
	s.agrees(refusal.Code == "ResourceInUseException", true)
	return nil
}

// bareGroup makes a security group without any rule.
func (w *demoWorld) bareGroup(ctx context.Context, name string) (string, error) {
	id, err := w.group(ctx, name)
	if err != nil {
		return "", err
	}
	return id, w.closeAll(ctx, id)
}

// closeAll takes every egress rule from a group.
func (w *demoWorld) closeAll(ctx context.Context, group string) error {
	rules, err := w.api.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{
		Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{group}}},
	})
	if err != nil {
		return err
	}
	var ids []string
	for _, r := range rules.SecurityGroupRules {
		ids = append(ids, *r.SecurityGroupRuleId)
	}
	if len(ids) == 0 {
		return nil
	}
	_, err = w.api.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, SecurityGroupRuleIds: ids})
	return err
}

// egress lets a TCP port out to the members of another group.
func (w *demoWorld) egress(ctx context.Context, group string, port int32, to string) error {
	_, err := w.api.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &group, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &to}},
	}}})
	return err
}

// fleet makes and starts a fleet of one instance in a group.
func (w *demoWorld) fleet(ctx context.Context, group string) (*demoInstance, error) {
	named := map[string]string{"Name": demoFleet}
	err := w.calls.call(ctx, "CreateFleet", map[string]any{
		"Name": demoFleet, "InstanceType": "stream.standard.small", "ImageName": control.StreamingImages()[0].Name,
		"ComputeCapacity": map[string]int{"DesiredInstances": 1},
		"VpcConfig":       map[string][]string{"SubnetIds": {w.subnet}, "SecurityGroupIds": {group}},
	}, nil)
	if err != nil {
		return nil, err
	}
	w.later(func(ctx context.Context) error {
		if err := w.calls.call(ctx, "StopFleet", named, nil); err != nil {
			return err
		}
		return errors.Join(w.awaitFleet(ctx, "STOPPED"), w.calls.call(ctx, "DeleteFleet", named, nil))
	})
	if err := w.calls.call(ctx, "StartFleet", named, nil); err != nil {
		return nil, err
	}
	if err := w.awaitFleet(ctx, "RUNNING"); err != nil {
		return nil, err
	}
	found, err := w.api.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{group}}},
	})
	if err != nil || len(found.NetworkInterfaces) != 1 {
		return nil, errors.Join(fmt.Errorf("the fleet has %d interfaces in its group, not one", len(found.NetworkInterfaces)), err)
	}
	i := found.NetworkInterfaces[0]
	return &demoInstance{"fleet", *i.Attachment.InstanceId, *i.PrivateIpAddress}, nil
}

// awaitFleet waits until the fleet has a state.
func (w *demoWorld) awaitFleet(ctx context.Context, state string) error {
	ctx, cancel := context.WithTimeout(ctx, demoWait)
	defer cancel()
	for {
		var got struct {
			Fleets []struct {
				State       string
				FleetErrors []struct{ ErrorCode, ErrorMessage string }
			}
		}
		if err := w.calls.call(ctx, "DescribeFleets", map[string][]string{"Names": {demoFleet}}, &got); err != nil {
			return err
		}
		if len(got.Fleets) == 1 && got.Fleets[0].State == state {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the fleet does not become %s: %+v", state, got.Fleets)
		}
	}
}

// stream lets a user in by a streaming URL and counts the frames that come.
func (w *demoWorld) stream(ctx context.Context) (*atomic.Int64, error) {
	pair := map[string]string{"FleetName": demoFleet, "StackName": demoFleet}
	if err := w.calls.call(ctx, "CreateStack", map[string]string{"Name": demoFleet}, nil); err != nil {
		return nil, err
	}
	w.later(func(ctx context.Context) error {
		return w.calls.call(ctx, "DeleteStack", map[string]string{"Name": demoFleet}, nil)
	})
	if err := w.calls.call(ctx, "AssociateFleet", pair, nil); err != nil {
		return nil, err
	}
	w.later(func(ctx context.Context) error { return w.leave(ctx, pair) })
	var let struct{ StreamingURL string }
	err := w.calls.call(ctx, "CreateStreamingURL", map[string]string{"FleetName": demoFleet, "StackName": demoFleet, "UserId": "demo"}, &let)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, let.StreamingURL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("the streaming URL answers %s", resp.Status), resp.Body.Close())
	}
	frames := new(atomic.Int64)
	go func() { // ends with ctx, which ends the request
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			frames.Add(1)
		}
	}()
	return frames, nil
}

// leave ends the user's session and parts fleet and stack.
func (w *demoWorld) leave(ctx context.Context, pair map[string]string) error {
	var got struct{ Sessions []struct{ Id string } }
	err := w.calls.call(ctx, "DescribeSessions", pair, &got)
	for _, session := range got.Sessions {
		err = errors.Join(err, w.calls.call(ctx, "ExpireSession", map[string]string{"SessionId": session.Id}, nil))
	}
	return errors.Join(err, w.calls.call(ctx, "DisassociateFleet", pair, nil))
}
