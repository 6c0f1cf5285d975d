// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"cmp"
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

var instancePaging = paging{
	operation: "DescribeInstances", min: 5, max: 1000,
	withIDs: "The parameter instancesSet cannot be used with the parameter maxResults",
}

// describeInstances is section 6.4 of docs/spec/ec2-api.md.
func (s *Service) describeInstances(c *awsapi.Call, in *ec2types.DescribeInstancesRequest) (func(context.Context) (*ec2types.DescribeInstancesResult, error), error) {
	if err := instanceIDs(in.InstanceIds); err != nil {
		return nil, err
	}
	cursor, err := instancePaging.cursor(c.Scope(), in, len(in.InstanceIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := instanceFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeInstancesResult, error) {
		snap := s.control.Read()
		rows, err := control.Instances(snap, c.Scope(), in.InstanceIds...)
		if err != nil {
			return nil, err
		}
		reservations, next := pageBy(cursor, byReservation(slices.DeleteFunc(views(snap, rows), func(i *inst) bool { return !match(i) })),
			func(r []*inst) string { return sortKey(r[0].Created, r[0].Reservation) }, // one launch, one time
			func(r []*inst) int { return len(r) })
		return &ec2types.DescribeInstancesResult{Reservations: each(reservations, showReservation), NextToken: next}, nil
	}, nil
}

// byReservation gathers instances that were launched together, in the order of
// their launch index.
func byReservation(instances []*inst) [][]*inst {
	slices.SortFunc(instances, func(a, b *inst) int {
		return cmp.Or(cmp.Compare(a.Reservation, b.Reservation), cmp.Compare(a.LaunchIndex, b.LaunchIndex))
	})
	var out [][]*inst
	for _, in := range instances {
		if last := len(out) - 1; last >= 0 && out[last][0].Reservation == in.Reservation {
			out[last] = append(out[last], in)
		} else {
			out = append(out, []*inst{in})
		}
	}
	return out
}

var statusPaging = paging{
	operation: "DescribeInstanceStatus", min: 5, max: 1000,
	withIDs: "The parameter instancesSet cannot be used with the parameter maxResults",
}

// describeInstanceStatus tells what the host's agent says of an instance: it is
// there, or not.
func (s *Service) describeInstanceStatus(c *awsapi.Call, in *ec2types.DescribeInstanceStatusRequest) (func(context.Context) (*ec2types.DescribeInstanceStatusResult, error), error) {
	if err := instanceIDs(in.InstanceIds); err != nil {
		return nil, err
	}
	cursor, err := statusPaging.cursor(c.Scope(), in, len(in.InstanceIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := statusFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeInstanceStatusResult, error) {
		snap := s.control.Read()
		rows, err := control.Instances(snap, c.Scope(), in.InstanceIds...)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeInstanceStatusResult{}
		out.InstanceStatuses, out.NextToken = list(cursor, views(snap, rows), func(i *inst) bool {
			return (deref(in.IncludeAllInstances) || i.State == secgroup.Running) && match(i)
		}, func(i *inst) string { return sortKey(i.Created, i.ID) }, showStatus)
		return out, nil
	}, nil
}

func (in *inst) reachability() (status, detail string) {
	if in.State == secgroup.Running {
		return "ok", "passed"
	}
	return "not-applicable", ""
}

func showStatus(in *inst) ec2types.InstanceStatus {
	status, detail := in.reachability()
	summary := &ec2types.InstanceStatusSummary{Status: &status}
	if detail != "" {
		summary.Details = []ec2types.InstanceStatusDetails{{Name: new("reachability"), Status: &detail}}
	}
	return ec2types.InstanceStatus{
		InstanceId: &in.ID, AvailabilityZone: &in.Zone, InstanceState: showState(in.State), SystemStatus: summary, InstanceStatus: summary,
		Events: []ec2types.InstanceStatusEvent{},
	}
}
