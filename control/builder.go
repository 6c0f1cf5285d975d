// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// BuilderChange is what CreateImageBuilder, CreateAppBlockBuilder or
// UpdateAppBlockBuilder is asked for. nil is absent.
type BuilderChange struct {
	InstanceType, ImageName, ImageARN, Platform *string
	VPC                                         *StreamingVPC
	Internet                                    *bool
	DisplayName, Description, Role              *string
	Directory                                   *secgroup.Directory
	VolumeGB                                    *int32
	NoIMDSv1                                    *bool
	Endpoints                                   []string
	Delete                                      []string
	Tags                                        secgroup.Tags
}

// builderNamed returns the scope's builder of that kind and name.
func builderNamed(snap *model.Snapshot, scope secgroup.Scope, kind secgroup.StreamingKind, name string) (*secgroup.Builder, error) {
	if b := snap.Builders.Get(model.BuilderID(scope, kind, name)); b != nil {
		return b, nil
	}
	return nil, noBuilder(scope, kind, name)
}

// Builders returns the scope's builders of a kind with these names, or all for
// none.
//
// Errors: ResourceNotFoundException.
func Builders(snap *model.Snapshot, scope secgroup.Scope, kind secgroup.StreamingKind, names ...string) ([]*secgroup.Builder, error) {
	out, err := streamingRows(&snap.Builders, scope, names, func(name string) (*secgroup.Builder, error) {
		return builderNamed(snap, scope, kind, name)
	})
	return slices.DeleteFunc(out, func(b *secgroup.Builder) bool { return b.Kind != kind }), err
}

// BuilderInstance returns the instance of a builder, nil while it has none.
func BuilderInstance(snap *model.Snapshot, b *secgroup.Builder) *secgroup.Instance {
	if all := streamingOf(snap, b.Scope, b.Kind, b.Name); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// mustBe refuses what a builder's state does not allow. Starting one that is not
// stopped has an exception of its own (docs/spec/appstream.md section 2.3).
func mustBe(b *secgroup.Builder, state secgroup.BuilderState) error {
	return secgroup.Errorf(streamNotPermitted, "The %s %s is %s. It must be %s for this operation.", builderNouns[b.Kind], b.Name, b.State, state)
}

// CreateBuilder makes a builder. An image builder starts at once; an app block
// builder is made stopped (sections 4 and 5).
//
// Errors: those of section 2.3.
func (s *Service) CreateBuilder(ctx context.Context, caller Caller, kind secgroup.StreamingKind, name string, c BuilderChange) (made *secgroup.Builder, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if tx.Builders.Get(model.BuilderID(caller.Scope, kind, name)) != nil {
			return secgroup.Errorf(streamExists, "The %s %s already exists.", builderNouns[kind], name)
		}
		b := &secgroup.Builder{
			Scope: caller.Scope, Kind: kind, Name: name, State: secgroup.BuilderStopped, Tags: c.Tags, Created: s.now().UTC(),
		}
		if kind == secgroup.ImageBuilderKind {
			b.State = secgroup.BuilderPending
			if (c.ImageName == nil) == (c.ImageARN == nil) {
				return secgroup.Errorf(streamCombination, "You must specify either ImageName or ImageArn, and not both.")
			}
		}
		if err := s.changeBuilder(tx, b, &c); err != nil {
			return err
		}
		builders, err := Builders(tx.Snapshot, caller.Scope, kind)
		if err != nil {
			return err
		}
		if limit := s.quotas(tx.Snapshot, caller.Scope).BuildersPerRegion; len(builders) >= limit {
			return secgroup.Errorf(streamLimit, "The maximum number of %ss for account %s has been reached.", builderNouns[kind], caller.Account)
		}
		tx.Builders.Put(b)
		made = b
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// changeBuilder brings what is asked for into b, which the caller puts.
func (s *Service) changeBuilder(tx *model.Tx, b *secgroup.Builder, c *BuilderChange) error {
	deletes := func(attribute string) bool { return slices.Contains(c.Delete, attribute) }
	if c.VPC != nil && c.VPC.Groups != nil && deletes(vpcConfigurationGroups) || c.Role != nil && deletes("IAM_ROLE_ARN") ||
		c.Endpoints != nil && deletes("ACCESS_ENDPOINTS") {
		return secgroup.Errorf(streamCombination, "An attribute cannot be set and deleted in one request.")
	}
	if deletes(vpcConfigurationGroups) && b.VPC != nil {
		b.VPC = &secgroup.VPCConfig{Subnets: b.VPC.Subnets}
	}
	if deletes("IAM_ROLE_ARN") {
		b.Options.Role = ""
	}
	if deletes("ACCESS_ENDPOINTS") {
		b.Endpoints = nil
	}
	if c.VPC != nil {
		b.VPC = c.VPC.over(b.VPC)
		switch {
		case len(b.VPC.Subnets) == 0:
			return errNoSubnets
		case b.Kind == secgroup.ImageBuilderKind && len(b.VPC.Subnets) > 1:
			return secgroup.Errorf(streamCombination, "An image builder takes exactly one subnet.")
		}
	}
	set(&b.InstanceType, c.InstanceType)
	set(&b.Platform, c.Platform)
	set(&b.Internet, c.Internet)
	if c.Endpoints != nil {
		b.Endpoints = c.Endpoints
	}
	options := FleetChange{
		DisplayName: c.DisplayName, Description: c.Description, NoIMDSv1: c.NoIMDSv1, Role: c.Role, VolumeGB: c.VolumeGB, Directory: c.Directory,
	}
	options.options(&b.Options)
	if err := checkStreamingType(b.InstanceType); err != nil {
		return err
	}
	if c.ImageName != nil || c.ImageARN != nil {
		image, err := streamingImage(b.Scope, deref(c.ImageName), deref(c.ImageARN))
		if err != nil {
			return err
		}
		b.Image, b.Platform = image.Name, image.Platform
	}
	if err := checkDirectory(tx.Snapshot, b.Scope, c.Directory); err != nil {
		return err
	}
	if err := checkVPC(tx.Snapshot, b.Scope, b.VPC); err != nil {
		return err
	}
	if c.Role != nil {
		return checkStreamingRole(tx, b.Scope, *c.Role)
	}
	return nil
}

// UpdateBuilder changes an app block builder: all of a stopped one, the names
// alone of one that runs (section 5).
//
// Errors: those of section 2.3.
func (s *Service) UpdateBuilder(ctx context.Context, caller Caller, kind secgroup.StreamingKind, name string, c BuilderChange) (*secgroup.Builder, error) {
	return s.stepBuilder(ctx, caller, kind, name, func(tx *model.Tx, b *secgroup.Builder) error {
		switch b.State {
		case secgroup.BuilderPending, secgroup.BuilderStopping:
			return mustBe(b, secgroup.BuilderStopped)
		case secgroup.BuilderRunning:
			if c.VPC != nil || c.Internet != nil || c.InstanceType != nil || c.Platform != nil || c.Role != nil ||
				c.Endpoints != nil || c.NoIMDSv1 != nil || len(c.Delete) > 0 {
				return secgroup.Errorf(streamInUse, "Cannot update the attribute for %s %s when it is RUNNING. It must be stopped to complete this action.", builderNouns[kind], name)
			}
		}
		return s.changeBuilder(tx, b, &c)
	})
}

// StartBuilder wants a stopped builder running.
//
// Errors: those of section 2.3.
func (s *Service) StartBuilder(ctx context.Context, caller Caller, kind secgroup.StreamingKind, name string) (*secgroup.Builder, error) {
	return s.stepBuilder(ctx, caller, kind, name, func(tx *model.Tx, b *secgroup.Builder) error {
		if b.State != secgroup.BuilderStopped {
			return secgroup.Errorf(streamNotAvailable, "The %s %s is %s. It must be STOPPED to be started.", builderNouns[kind], name, b.State)
		}
		b.State, b.Errors = secgroup.BuilderPending, nil
		return nil
	})
}

// StopBuilder wants a running builder stopped. An image builder keeps its
// interface and address; an app block builder's instance ends.
//
// Errors: ResourceNotFoundException, OperationNotPermittedException.
func (s *Service) StopBuilder(ctx context.Context, caller Caller, kind secgroup.StreamingKind, name string) (*secgroup.Builder, error) {
	return s.stepBuilder(ctx, caller, kind, name, func(tx *model.Tx, b *secgroup.Builder) error {
		if b.State != secgroup.BuilderRunning {
			return mustBe(b, secgroup.BuilderRunning)
		}
		b.State = secgroup.BuilderStopping
		return nil
	})
}

// DeleteBuilder deletes a builder that is stopped or has failed, with its
// interface.
//
// Errors: ResourceNotFoundException, OperationNotPermittedException.
func (s *Service) DeleteBuilder(ctx context.Context, caller Caller, kind secgroup.StreamingKind, name string) (*secgroup.Builder, error) {
	return s.stepBuilder(ctx, caller, kind, name, func(tx *model.Tx, b *secgroup.Builder) error {
		if b.State != secgroup.BuilderStopped && b.State != secgroup.BuilderFailed {
			return mustBe(b, secgroup.BuilderStopped)
		}
		b.State = secgroup.BuilderDeleting
		for _, in := range streamingOf(tx.Snapshot, b.Scope, b.Kind, b.Name) {
			s.dismiss(tx, in, false)
		}
		return nil
	})
}

// stepBuilder changes a builder by step, which gets a copy that it may change,
// and returns what that has become.
func (s *Service) stepBuilder(ctx context.Context, caller Caller, kind secgroup.StreamingKind, name string, step func(*model.Tx, *secgroup.Builder) error) (changed *secgroup.Builder, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := builderNamed(tx.Snapshot, caller.Scope, kind, name)
		if err != nil {
			return err
		}
		b := *was
		if err := step(tx, &b); err != nil {
			return err
		}
		tx.Builders.Put(&b)
		changed = &b
		if b.State == secgroup.BuilderDeleting {
			s.settleBuilder(tx, &b)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// settleBuilder does the next step of whatever a builder needs.
func (s *Service) settleBuilder(tx *model.Tx, was *secgroup.Builder) {
	b, in := *was, BuilderInstance(tx.Snapshot, was)
	switch b.State {
	case secgroup.BuilderPending:
		switch {
		case in == nil:
			_, err := s.provision(tx, secgroup.Streaming{Owner: b.Scope, Kind: b.Kind, Name: b.Name, Directory: b.Options.Domain()}, b.VPC, b.Internet, b.InstanceType, b.Image)
			if err != nil {
				b.State, b.Errors = secgroup.BuilderFailed, streamingErrors(nil, s.now(), err)
				if b.Kind == secgroup.AppBlockBuilderKind { // has no such state
					b.State = secgroup.BuilderStopped
				}
			}
		case in.State == secgroup.Stopped:
			tx.Guard(model.ScopeID(serviceScope))
			next := *in
			if s.replace(tx, &next) != nil {
				break // until a host is there
			}
			next.State, next.Launched = secgroup.Pending, s.now().UTC()
			next.Boots++
			tx.Instances.Put(&next)
			s.publishCustomer(tx, next.ID)
		case in.State == secgroup.Running:
			b.State = secgroup.BuilderRunning
		}
	case secgroup.BuilderStopping:
		switch {
		case in == nil || in.State == secgroup.Stopped:
			b.State = secgroup.BuilderStopped
		case b.Kind == secgroup.AppBlockBuilderKind:
			s.dismiss(tx, in, true)
		case in.State == secgroup.Running || in.State == secgroup.Pending:
			tx.Guard(model.ScopeID(serviceScope))
			next := *in
			next.State = secgroup.Stopping
			tx.Instances.Put(&next)
		}
	case secgroup.BuilderDeleting:
		if in == nil {
			tx.Builders.Delete(model.BuilderID(b.Scope, b.Kind, b.Name))
			return
		}
		s.dismiss(tx, in, false)
	}
	if b.State != was.State {
		tx.Builders.Put(&b)
	}
}
