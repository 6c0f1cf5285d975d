// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

func (s *Service) instanceOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "RunInstances", s.runInstances),
		awsapi.RegionalOp(s.control, "DescribeInstances", s.describeInstances),
		awsapi.RegionalOp(s.control, "DescribeInstanceStatus", s.describeInstanceStatus),
		awsapi.RegionalOp(s.control, "StartInstances", s.startInstances),
		awsapi.RegionalOp(s.control, "StopInstances", s.stopInstances),
		awsapi.RegionalOp(s.control, "TerminateInstances", s.terminateInstances),
		awsapi.RegionalOp(s.control, "RebootInstances", s.rebootInstances),
		awsapi.RegionalOp(s.control, "DescribeInstanceAttribute", s.describeInstanceAttribute),
		awsapi.RegionalOp(s.control, "ModifyInstanceAttribute", s.modifyInstanceAttribute),
	}
}

// instanceID checks the form of an instance's id that a request must have.
func instanceID(id *string) error {
	if deref(id) == "" {
		return missing("instanceId")
	}
	return secgroup.CheckID(secgroup.InstancePrefix, *id, "InvalidInstanceID.Malformed")
}

// instanceIDs checks the form of a list of ids.
func instanceIDs(ids []string) error {
	for _, id := range ids {
		if err := instanceID(&id); err != nil {
			return err
		}
	}
	return nil
}

// transition is one of control's operations that move instances between states.
type transition func(context.Context, control.Caller, ...string) ([]control.StateChange, error)

// move prepares a transition of the instances that a request names.
func move[Out any](c *awsapi.Call, ids []string, do transition, show func([]ec2types.InstanceStateChange) Out) (func(context.Context) (*Out, error), error) {
	if len(ids) == 0 {
		return nil, missing("InstanceId")
	}
	if err := instanceIDs(ids); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*Out, error) {
		changes, err := do(ctx, c.Behalf(), ids...)
		if err != nil {
			return nil, err
		}
		return new(show(each(changes, func(change control.StateChange) ec2types.InstanceStateChange {
			return ec2types.InstanceStateChange{
				InstanceId: new(change.Instance), PreviousState: showState(change.Previous), CurrentState: showState(change.Current),
			}
		}))), nil
	}, nil
}

func showState(state secgroup.InstanceState) *ec2types.InstanceState {
	return &ec2types.InstanceState{Code: new(state.Code()), Name: new(string(state))}
}

// The life cycle is section 6.2 of docs/spec/ec2-api.md.

func (s *Service) startInstances(c *awsapi.Call, in *ec2types.StartInstancesRequest) (func(context.Context) (*ec2types.StartInstancesResult, error), error) {
	return move(c, in.InstanceIds, s.control.StartInstances, func(changes []ec2types.InstanceStateChange) ec2types.StartInstancesResult {
		return ec2types.StartInstancesResult{StartingInstances: changes}
	})
}

// stopInstances leaves Force and SkipOsShutdown alone: no operating system is
// asked.
func (s *Service) stopInstances(c *awsapi.Call, in *ec2types.StopInstancesRequest) (func(context.Context) (*ec2types.StopInstancesResult, error), error) {
	if deref(in.Hibernate) {
		return nil, errUnsupported
	}
	return move(c, in.InstanceIds, s.control.StopInstances, func(changes []ec2types.InstanceStateChange) ec2types.StopInstancesResult {
		return ec2types.StopInstancesResult{StoppingInstances: changes}
	})
}

func (s *Service) terminateInstances(c *awsapi.Call, in *ec2types.TerminateInstancesRequest) (func(context.Context) (*ec2types.TerminateInstancesResult, error), error) {
	return move(c, in.InstanceIds, s.control.TerminateInstances, func(changes []ec2types.InstanceStateChange) ec2types.TerminateInstancesResult {
		return ec2types.TerminateInstancesResult{TerminatingInstances: changes}
	})
}

// rebootInstances is section 6.2: programs inside end, nothing else changes.
func (s *Service) rebootInstances(c *awsapi.Call, in *ec2types.RebootInstancesRequest) (func(context.Context) (*ec2types.RebootInstancesResult, error), error) {
	if len(in.InstanceIds) == 0 {
		return nil, missing("InstanceId")
	}
	if err := instanceIDs(in.InstanceIds); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.RebootInstancesResult, error) {
		return result[ec2types.RebootInstancesResult](s.control.RebootInstances(ctx, c.Behalf(), in.InstanceIds...))
	}, nil
}
