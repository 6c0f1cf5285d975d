// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// StateChange is what became of one instance.
type StateChange struct {
	Instance          string
	Previous, Current secgroup.InstanceState
}

// userInitiated is the reason of every stop and end that a client asked for.
const userInitiated = "Client.UserInitiatedShutdown: User initiated shutdown"

// StartInstances wants stopped instances running again, with the interfaces and
// addresses they have (docs/spec/ec2-api.md section 6.2). Those that run already
// stay as they are.
func (s *Service) StartInstances(ctx context.Context, caller Caller, ids ...string) ([]StateChange, error) {
	return s.transition(ctx, caller, ids, func(tx *model.Tx, in *secgroup.Instance) error {
		switch in.State {
		case secgroup.Pending, secgroup.Running:
			return nil
		case secgroup.Stopped:
			if err := s.replace(tx, in); err != nil {
				return err
			}
			in.State, in.Reason = secgroup.Pending, ""
			in.Launched = s.now().UTC()
			in.Boots++
			tx.Instances.Put(in)
			for _, i := range Attached(tx.Snapshot, in.ID) {
				s.reassignPublic(tx, i.ID)
			}
			return nil
		}
		return secgroup.Errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be started.", in.ID)
	})
}

// StopInstances wants running instances stopped. They keep their interfaces with
// addresses and groups, but not public addresses that the network gave them.
func (s *Service) StopInstances(ctx context.Context, caller Caller, ids ...string) ([]StateChange, error) {
	return s.transition(ctx, caller, ids, func(tx *model.Tx, in *secgroup.Instance) error {
		switch {
		case in.State == secgroup.Stopping || in.State == secgroup.Stopped:
			return nil
		case in.State != secgroup.Running:
			return secgroup.Errorf("IncorrectInstanceState", "This instance '%s' is not in a state from which it can be stopped.", in.ID)
		case in.Options.NoStop:
			return secgroup.Errorf("OperationNotPermitted",
				"The instance '%s' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.", in.ID)
		}
		in.State, in.Reason, in.ReasonAt = secgroup.Stopping, userInitiated, s.now().UTC()
		releasePublic(tx, in.ID)
		return nil
	})
}

// RebootInstances has everything that runs inside running instances ended, as a
// machine that starts anew does. State, addresses and interfaces stay, and so do
// the flows that rules admitted.
func (s *Service) RebootInstances(ctx context.Context, caller Caller, ids ...string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		found, err := instancesOf(tx.Snapshot, caller.Scope, ids...)
		if err != nil {
			return err
		}
		for _, was := range found {
			if was.State != secgroup.Running {
				return secgroup.Errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be rebooted.", was.ID)
			}
			in := *was
			in.Reboots++
			tx.Instances.Put(&in)
		}
		return nil
	})
}

// TerminateInstances ends instances in whatever state they are. Their interfaces
// go or become available at once, so that their groups can be deleted.
func (s *Service) TerminateInstances(ctx context.Context, caller Caller, ids ...string) ([]StateChange, error) {
	return s.transition(ctx, caller, ids, func(tx *model.Tx, in *secgroup.Instance) error {
		switch {
		case in.State == secgroup.ShuttingDown || in.State == secgroup.Terminated:
			return nil
		case in.Options.NoTermination:
			return secgroup.Errorf("OperationNotPermitted",
				"The instance '%s' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.", in.ID)
		}
		release(tx, in.ID)
		in.Reason, in.ReasonAt = userInitiated, s.now().UTC()
		if in.State == secgroup.Stopped { // nothing of it is left on its host
			s.bury(in)
		} else {
			in.State = secgroup.ShuttingDown
		}
		return nil
	})
}

// transition changes each of the instances by step, all or none. step gets a
// copy that it may change.
func (s *Service) transition(ctx context.Context, caller Caller, ids []string, step func(*model.Tx, *secgroup.Instance) error) (changes []StateChange, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		changes = nil
		found, err := instancesOf(tx.Snapshot, caller.Scope, ids...)
		if err != nil {
			return err
		}
		for _, was := range found {
			in := *was
			if err := step(tx, &in); err != nil {
				return err
			}
			if in.State != was.State {
				tx.Instances.Put(&in)
			}
			changes = append(changes, StateChange{in.ID, was.State, in.State})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// release takes every interface from an instance that ends: those that are to go
// with it are deleted, the others become available.
func release(tx *model.Tx, instance string) {
	for _, i := range Attached(tx.Snapshot, instance) {
		letGo(tx, i)
	}
}

// letGo makes an attached interface available, or deletes one that is to go with what
// it is attached to.
func letGo(tx *model.Tx, was *secgroup.Interface) {
	if was.Attachment.DeleteOnTermination {
		deleteInterface(tx, was.ID)
		return
	}
	i := *was
	i.Attachment, i.AutoPublic, i.Public = nil, false, netip.Addr{}
	tx.Interfaces.Put(&i)
}

// bury makes in the record of a terminated instance.
func (s *Service) bury(in *secgroup.Instance) {
	in.State, in.TerminatedAt = secgroup.Terminated, s.now().UTC()
	in.VPC, in.Subnet, in.UserData = "", "", nil
}

// InstanceChange is one change of one attribute: exactly one field is set
// (docs/spec/ec2-api.md section 6.3).
type InstanceChange struct {
	Groups          []string // the whole new set, of the only interface
	SourceDestCheck *bool    // of the only interface
	NoStop          *bool
	NoTermination   *bool
	// Type and UserData can be changed only while the instance is stopped.
	Type             *string
	UserData         []byte // nil is no change
	ShutdownBehavior *string
	EBSOptimized     *bool
}

// ModifyInstanceAttribute changes an instance or its only interface.
func (s *Service) ModifyInstanceAttribute(ctx context.Context, caller Caller, id string, change InstanceChange) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		found, err := instancesOf(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		in := *found[0]
		if change.Groups != nil || change.SourceDestCheck != nil {
			return s.changeOnlyInterface(tx, &in, change)
		}
		switch stopped := in.State == secgroup.Stopped; {
		case in.State == secgroup.ShuttingDown || in.State == secgroup.Terminated:
			return wrongState(id)
		case change.NoStop != nil:
			in.Options.NoStop = *change.NoStop
		case change.NoTermination != nil:
			in.Options.NoTermination = *change.NoTermination
		case change.ShutdownBehavior != nil:
			in.Options.ShutdownBehavior = *change.ShutdownBehavior
		case !stopped:
			return secgroup.Errorf("IncorrectInstanceState", "The instance '%s' is not in the 'stopped' state.", id)
		case change.EBSOptimized != nil:
			in.Options.EBSOptimized = *change.EBSOptimized
		case change.UserData != nil:
			in.UserData = change.UserData
		case change.Type != nil:
			if err := retype(tx, &in, *change.Type); err != nil {
				return err
			}
		}
		tx.Instances.Put(&in)
		return nil
	})
}

// retype gives the instance another type, if its interfaces fit that.
func retype(tx *model.Tx, in *secgroup.Instance, name string) error {
	limits, ok := secgroup.InstanceTypeLimits(name)
	if !ok {
		return secgroup.Errorf("InvalidParameterValue", "Invalid value '%s' for InstanceType.", name)
	}
	attached := Attached(tx.Snapshot, in.ID)
	for _, i := range attached {
		ipv4, ipv6 := slots(i)
		if err := checkLimits(limits, name, len(attached), ipv4, ipv6); err != nil {
			return err
		}
	}
	in.Type = name
	return nil
}

func wrongState(id string) error {
	return secgroup.Errorf("IncorrectInstanceState", "The instance '%s' is not in a valid state for this operation.", id)
}

// changeOnlyInterface changes what EC2 lets clients change through the instance
// while it has one interface.
func (s *Service) changeOnlyInterface(tx *model.Tx, in *secgroup.Instance, change InstanceChange) error {
	if in.State != secgroup.Running && in.State != secgroup.Stopped {
		return wrongState(in.ID)
	}
	attached := Attached(tx.Snapshot, in.ID)
	if len(attached) > 1 {
		return manyInterfaces(in.ID)
	}
	i := *attached[0]
	if change.Groups != nil {
		groups, err := ofChangedInterface.groups(tx, s.quotas(tx.Snapshot, i.Scope), tx.Subnets.Get(i.Subnet), change.Groups)
		if err != nil {
			return err
		}
		i.Groups = groups
	} else {
		i.SourceDestCheck = *change.SourceDestCheck
	}
	tx.Interfaces.Put(&i)
	return nil
}
