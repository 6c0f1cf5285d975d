// SPDX-License-Identifier: Apache-2.0

package appstream

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	types "github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/awsapi/json11"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// fleetOperations are those of section 3 of docs/spec/appstream.md.
func (s *Service) fleetOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateFleet", s.createFleet),
		awsapi.RegionalOp(s.control, "UpdateFleet", s.updateFleet),
		awsapi.RegionalOp(s.control, "StartFleet", s.startFleet),
		awsapi.RegionalOp(s.control, "StopFleet", s.stopFleet),
		awsapi.RegionalOp(s.control, "DeleteFleet", s.deleteFleet),
		awsapi.RegionalOp(s.control, "DescribeFleets", s.describeFleets),
	}
}

func (s *Service) createFleet(c *awsapi.Call, in *types.CreateFleetRequest) (func(context.Context) (*types.CreateFleetResult, error), error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	change, err := parseFleet(&types.UpdateFleetRequest{
		ComputeCapacity: in.ComputeCapacity, RootVolumeConfig: in.RootVolumeConfig, SessionScriptS3Location: in.SessionScriptS3Location,
		MaxUserDurationInSeconds: in.MaxUserDurationInSeconds, DisconnectTimeoutInSeconds: in.DisconnectTimeoutInSeconds,
		IdleDisconnectTimeoutInSeconds: in.IdleDisconnectTimeoutInSeconds, MaxConcurrentSessions: in.MaxConcurrentSessions,
		MaxSessionsPerInstance: in.MaxSessionsPerInstance, InstanceType: in.InstanceType, ImageName: in.ImageName, ImageArn: in.ImageArn,
		Platform: in.Platform, VpcConfig: in.VpcConfig, EnableDefaultInternetAccess: in.EnableDefaultInternetAccess,
		DomainJoinInfo: in.DomainJoinInfo, DisplayName: in.DisplayName, Description: in.Description, StreamView: in.StreamView,
		IamRoleArn: in.IamRoleArn, DisableIMDSV1: in.DisableIMDSV1, UsbDeviceFilterStrings: in.UsbDeviceFilterStrings,
	})
	if err != nil {
		return nil, err
	}
	change.Type = (*secgroup.FleetType)(in.FleetType)
	if change.Tags, err = parseTags(in.Tags); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*types.CreateFleetResult, error) {
		f, err := s.control.CreateFleet(ctx, c.Behalf(), *in.Name, *change)
		if err != nil {
			return nil, err
		}
		return &types.CreateFleetResult{Fleet: new(showFleet(s.control.Read(), f))}, nil
	}, nil
}

func (s *Service) updateFleet(c *awsapi.Call, in *types.UpdateFleetRequest) (func(context.Context) (*types.UpdateFleetResult, error), error) {
	if in.Name == nil {
		return nil, json11.Invalid("name", "null", "Member must not be null")
	}
	change, err := parseFleet(in)
	if err != nil {
		return nil, err
	}
	change.Delete = in.AttributesToDelete
	if deref(in.DeleteVpcConfig) {
		change.Delete = append(change.Delete, "VPC_CONFIGURATION")
	}
	return func(ctx context.Context) (*types.UpdateFleetResult, error) {
		f, err := s.control.UpdateFleet(ctx, c.Behalf(), *in.Name, *change)
		if err != nil {
			return nil, err
		}
		return &types.UpdateFleetResult{Fleet: new(showFleet(s.control.Read(), f))}, nil
	}, nil
}

// parseFleet returns what a fleet shall be, of an update or, in the fields that
// both requests have, of a new fleet. It checks what has ranges (section 3.2).
func parseFleet(in *types.UpdateFleetRequest) (*control.FleetChange, error) {
	const many = 1 << 20
	change := &control.FleetChange{
		MaxDuration: in.MaxUserDurationInSeconds, Disconnect: in.DisconnectTimeoutInSeconds, Idle: in.IdleDisconnectTimeoutInSeconds,
		MaxSessions: in.MaxConcurrentSessions, SessionsPerInstance: in.MaxSessionsPerInstance,
		InstanceType: in.InstanceType, ImageName: in.ImageName, ImageARN: in.ImageArn, Platform: in.Platform,
		VPC: parseVPC(in.VpcConfig), Internet: in.EnableDefaultInternetAccess, Directory: parseDirectory(in.DomainJoinInfo),
		DisplayName: in.DisplayName, Description: in.Description, StreamView: in.StreamView, Role: in.IamRoleArn,
		NoIMDSv1: in.DisableIMDSV1, USBFilters: in.UsbDeviceFilterStrings,
	}
	var err error
	if change.VolumeGB, err = parseVolume(in.RootVolumeConfig); err != nil {
		return nil, err
	}
	if in.ComputeCapacity != nil {
		change.Capacity, change.Instances, change.Sessions = true, in.ComputeCapacity.DesiredInstances, in.ComputeCapacity.DesiredSessions
	}
	if s := in.SessionScriptS3Location; s != nil {
		change.Script = &[2]string{deref(s.S3Bucket), deref(s.S3Key)}
	}
	idle := in.IdleDisconnectTimeoutInSeconds
	if deref(idle) == 0 {
		idle = nil
	}
	for _, check := range []error{
		within("maxUserDurationInSeconds", in.MaxUserDurationInSeconds, 600, 432000),
		within("disconnectTimeoutInSeconds", in.DisconnectTimeoutInSeconds, 60, 36000),
		within("idleDisconnectTimeoutInSeconds", idle, 60, 36000),
		within("computeCapacity.desiredInstances", change.Instances, 0, many),
		within("computeCapacity.desiredSessions", change.Sessions, 0, many),
		within("maxConcurrentSessions", in.MaxConcurrentSessions, 0, many),
		within("maxSessionsPerInstance", in.MaxSessionsPerInstance, 1, many),
	} {
		if check != nil {
			return nil, check
		}
	}
	return change, nil
}

func (s *Service) startFleet(c *awsapi.Call, in *types.StartFleetRequest) (func(context.Context) (*types.StartFleetResult, error), error) {
	return func(ctx context.Context) (*types.StartFleetResult, error) {
		return &types.StartFleetResult{}, s.control.StartFleet(ctx, c.Behalf(), *in.Name)
	}, nil
}

func (s *Service) stopFleet(c *awsapi.Call, in *types.StopFleetRequest) (func(context.Context) (*types.StopFleetResult, error), error) {
	return func(ctx context.Context) (*types.StopFleetResult, error) {
		return &types.StopFleetResult{}, s.control.StopFleet(ctx, c.Behalf(), *in.Name)
	}, nil
}

func (s *Service) deleteFleet(c *awsapi.Call, in *types.DeleteFleetRequest) (func(context.Context) (*types.DeleteFleetResult, error), error) {
	return func(ctx context.Context) (*types.DeleteFleetResult, error) {
		return &types.DeleteFleetResult{}, s.control.DeleteFleet(ctx, c.Behalf(), *in.Name)
	}, nil
}

func (s *Service) describeFleets(c *awsapi.Call, in *types.DescribeFleetsRequest) (func(context.Context) (*types.DescribeFleetsResult, error), error) {
	return func(context.Context) (*types.DescribeFleetsResult, error) {
		snap := s.control.Read()
		found, err := control.Fleets(snap, c.Scope(), in.Names...)
		if err != nil {
			return nil, err
		}
		part, next, err := page(found, func(f *secgroup.Fleet) string { return f.Name }, pageSize, in.NextToken)
		if err != nil {
			return nil, err
		}
		shown := make([]types.Fleet, len(part))
		for i, f := range part {
			shown[i] = showFleet(snap, f)
		}
		return &types.DescribeFleetsResult{Fleets: shown, NextToken: next}, nil
	}, nil
}

// showFleet returns a fleet as results have it.
func showFleet(snap *model.Snapshot, f *secgroup.Fleet) types.Fleet {
	o := f.Options
	out := types.Fleet{
		Arn: new(control.StreamingARN(f.Scope, string(secgroup.FleetKind), f.Name)), Name: &f.Name, CreatedTime: &f.Created,
		FleetType: new(string(f.Type)), State: new(string(f.State)), InstanceType: &f.InstanceType, Platform: optional(f.Platform),
		ComputeCapacityStatus: showCapacity(control.CapacityOf(snap, f)), VpcConfig: showVPC(f.VPC), EnableDefaultInternetAccess: &f.Internet,
		MaxUserDurationInSeconds: wholeSeconds(f.MaxDuration), DisconnectTimeoutInSeconds: wholeSeconds(f.Disconnect),
		IdleDisconnectTimeoutInSeconds: wholeSeconds(f.Idle),
		MaxConcurrentSessions:          optional(int32(f.MaxSessions)), MaxSessionsPerInstance: optional(int32(f.Sessions)),
		DisplayName: o.DisplayName, Description: o.Description, IamRoleArn: optional(o.Role), StreamView: optional(o.StreamView),
		DomainJoinInfo: showDirectory(o.Directory), DisableIMDSV1: o.NoIMDSv1, RootVolumeConfig: showVolume(o.VolumeGB),
		UsbDeviceFilterStrings: o.USBFilters,
		FleetErrors: each(f.Errors, func(e secgroup.StreamingError) types.FleetError {
			return types.FleetError{ErrorCode: &e.Code, ErrorMessage: &e.Message}
		}),
	}
	if f.Image != "" {
		out.ImageName, out.ImageArn = &f.Image, new((&control.StreamingImage{Name: f.Image}).ARN(f.Region))
	}
	if o.ScriptBucket != "" {
		out.SessionScriptS3Location = &types.S3Location{S3Bucket: &o.ScriptBucket, S3Key: optional(o.ScriptKey)}
	}
	return out
}

func showCapacity(c control.Capacity) *types.ComputeCapacityStatus {
	number := func(n int) *int32 { return new(int32(n)) }
	out := &types.ComputeCapacityStatus{
		Desired: number(c.Desired), Running: number(c.Running), InUse: number(c.InUse), Available: number(c.Available),
	}
	if c.Multi {
		out.DesiredUserSessions, out.ActualUserSessions = number(c.WantedSessions), number(c.Actual)
		out.ActiveUserSessions, out.AvailableUserSessions = number(c.Active), number(c.Free)
		out.Draining, out.DrainModeActiveUserSessions = number(c.Draining), number(c.DrainingActive)
		out.DrainModeUnusedUserSessions = number(c.DrainingUnused)
	}
	return out
}
