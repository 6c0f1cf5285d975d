// SPDX-License-Identifier: Apache-2.0

package control

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// FleetChange is what CreateFleet or UpdateFleet is asked for. nil is absent.
type FleetChange struct {
	Type                                        *secgroup.FleetType // of CreateFleet alone
	InstanceType, ImageName, ImageARN, Platform *string
	Instances, Sessions                         *int32 // of ComputeCapacity
	Capacity                                    bool   // ComputeCapacity is there
	MaxSessions, SessionsPerInstance            *int32
	VPC                                         *StreamingVPC
	Internet                                    *bool
	MaxDuration, Disconnect, Idle               *int32 // seconds
	DisplayName, Description, StreamView, Role  *string
	Directory                                   *secgroup.Directory
	VolumeGB                                    *int32
	NoIMDSv1                                    *bool
	USBFilters                                  []string
	Script                                      *[2]string // bucket and key
	Delete                                      []string   // attributes, as the API names them
	Tags                                        secgroup.Tags
}

// Defaults of a fleet (docs/spec/appstream.md section 3.2).
const (
	defaultSession    = 57600 * time.Second
	defaultDisconnect = 900 * time.Second
	defaultView       = "APP"
)

// CreateFleet makes a fleet, stopped (section 3.2).
//
// Errors: those of section 2.3.
func (s *Service) CreateFleet(ctx context.Context, caller Caller, name string, c FleetChange) (made *secgroup.Fleet, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if tx.Fleets.Get(model.StreamingName(caller.Scope, name)) != nil {
			return secgroup.Errorf(streamExists, "Fleet %s already exists.", name)
		}
		f := &secgroup.Fleet{
			Scope: caller.Scope, Name: name, Type: secgroup.AlwaysOn, State: secgroup.FleetStopped,
			MaxDuration: defaultSession, Disconnect: defaultDisconnect, Tags: c.Tags, Created: s.now().UTC(),
			Options: secgroup.FleetOptions{StreamView: defaultView},
		}
		if c.Type != nil {
			f.Type = *c.Type
		}
		if err := c.fitsNew(f.Type); err != nil {
			return err
		}
		if err := s.change(tx, f, &c); err != nil {
			return err
		}
		if full(&tx.Fleets, caller.Scope, s.quotas(tx.Snapshot, caller.Scope).FleetsPerRegion) {
			return secgroup.Errorf(streamLimit, "The maximum number of fleets for account %s has been reached.", caller.Account)
		}
		tx.Fleets.Put(f)
		made = f
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// fitsNew refuses what a new fleet of a type lacks or cannot have.
func (c *FleetChange) fitsNew(t secgroup.FleetType) error {
	combination := func(text string) error { return secgroup.Errorf(streamCombination, "%s", text) }
	switch elastic := t == secgroup.Elastic; {
	case elastic && (c.ImageName != nil || c.ImageARN != nil || c.Capacity || c.SessionsPerInstance != nil || c.Directory != nil):
		return combination("An elastic fleet takes no image, compute capacity, sessions per instance or domain join information.")
	case elastic && (c.MaxSessions == nil || c.Platform == nil):
		return combination("An elastic fleet requires MaxConcurrentSessions and Platform.")
	case elastic && (c.VPC == nil || len(c.VPC.Subnets) < 2):
		return combination("An elastic fleet requires VpcConfig with two or more subnets in different Availability Zones.")
	case elastic:
		return nil
	case c.ImageName == nil && c.ImageARN == nil:
		return combination("You must specify either ImageName or ImageArn.")
	case !c.Capacity:
		return combination("ComputeCapacity is required for a fleet of type " + string(t) + ".")
	case c.MaxSessions != nil || c.USBFilters != nil || c.Script != nil:
		return combination("MaxConcurrentSessions, UsbDeviceFilterStrings and SessionScriptS3Location are for elastic fleets.")
	}
	return nil
}

// change brings what is asked for into f, which the caller puts. It checks
// combinations first, then what is named, then what fits, then quotas (section
// 2.5).
func (s *Service) change(tx *model.Tx, f *secgroup.Fleet, c *FleetChange) error {
	if err := c.combines(f); err != nil {
		return err
	}
	c.remove(f)
	if c.VPC != nil {
		f.VPC = c.VPC.over(f.VPC)
		if len(f.VPC.Subnets) == 0 {
			return errNoSubnets
		}
	}
	set(&f.InstanceType, c.InstanceType)
	set(&f.Platform, c.Platform)
	set(&f.Internet, c.Internet)
	count(&f.Sessions, c.SessionsPerInstance)
	count(&f.MaxSessions, c.MaxSessions)
	seconds(&f.MaxDuration, c.MaxDuration)
	seconds(&f.Disconnect, c.Disconnect)
	seconds(&f.Idle, c.Idle)
	if f.Sessions <= 1 && c.Sessions != nil {
		return secgroup.Errorf(streamCombination, "DesiredSessions is for fleets whose MaxSessionsPerInstance is greater than 1.")
	}
	count(&f.Desired, c.Instances)
	if c.Sessions != nil {
		f.Desired = (int(*c.Sessions) + f.Sessions - 1) / f.Sessions
	}
	c.options(&f.Options)
	if err := checkStreamingType(f.InstanceType); err != nil {
		return err
	}
	if c.ImageName != nil || c.ImageARN != nil {
		image, err := streamingImage(f.Scope, deref(c.ImageName), deref(c.ImageARN))
		if err != nil {
			return err
		}
		f.Image, f.Platform = image.Name, image.Platform
	}
	if err := checkDirectory(tx.Snapshot, f.Scope, c.Directory); err != nil {
		return err
	}
	if err := checkVPC(tx.Snapshot, f.Scope, f.VPC); err != nil {
		return err
	}
	if c.Role != nil {
		if err := checkStreamingRole(tx, f.Scope, *c.Role); err != nil {
			return err
		}
	}
	if f.Type == secgroup.Elastic && !distinctZones(tx.Snapshot, f.VPC.Subnets) {
		return secgroup.Errorf(streamCombination, "The subnets of an elastic fleet must be in different Availability Zones.")
	}
	return s.checkCapacity(tx, f)
}

// combines refuses combinations that no fleet can have.
func (c *FleetChange) combines(f *secgroup.Fleet) error {
	combination := func(text string) error { return secgroup.Errorf(streamCombination, "%s", text) }
	deletes := func(attribute string) bool { return slices.Contains(c.Delete, attribute) }
	elastic := f.Type == secgroup.Elastic
	switch {
	case c.ImageName != nil && c.ImageARN != nil:
		return combination("You must specify either ImageName or ImageArn, not both.")
	case c.Capacity && (c.Instances == nil) == (c.Sessions == nil):
		return combination("ComputeCapacity requires exactly one of DesiredInstances and DesiredSessions.")
	case c.VPC != nil && (deletes(vpcConfiguration) || c.VPC.Groups != nil && deletes(vpcConfigurationGroups)),
		c.Directory != nil && deletes("DOMAIN_JOIN_INFO"), c.Role != nil && deletes("IAM_ROLE_ARN"),
		c.USBFilters != nil && deletes("USB_DEVICE_FILTER_STRINGS"), c.Script != nil && deletes("SESSION_SCRIPT_S3_LOCATION"),
		c.SessionsPerInstance != nil && deletes("MAX_SESSIONS_PER_INSTANCE"), c.VolumeGB != nil && deletes("VOLUME_CONFIGURATION"):
		return combination("An attribute cannot be set and deleted in one request.")
	case elastic && deletes(vpcConfiguration):
		return combination("VpcConfig is required for an elastic fleet and cannot be deleted.")
	case elastic && c.Directory != nil:
		return combination("DomainJoinInfo is not for elastic fleets.")
	case elastic && (c.Capacity || c.ImageName != nil || c.ImageARN != nil):
		return combination("ComputeCapacity and images are not for elastic fleets.")
	case !elastic && (c.MaxSessions != nil || c.USBFilters != nil || c.Script != nil):
		return combination("MaxConcurrentSessions, UsbDeviceFilterStrings and SessionScriptS3Location are for elastic fleets.")
	case c.VPC != nil && f.VPC == nil && len(c.VPC.Subnets) == 0:
		return errNoSubnets
	case c.VPC != nil && c.VPC.Subnets != nil && len(c.VPC.Subnets) == 0:
		return errNoSubnets
	}
	return nil
}

// Attributes that UpdateFleet can delete and that decide about packets.
const (
	vpcConfiguration       = "VPC_CONFIGURATION"
	vpcConfigurationGroups = "VPC_CONFIGURATION_SECURITY_GROUP_IDS"
)

// remove takes the deleted attributes away.
func (c *FleetChange) remove(f *secgroup.Fleet) {
	for _, attribute := range c.Delete {
		switch attribute {
		case vpcConfiguration:
			f.VPC = nil
		case vpcConfigurationGroups:
			if f.VPC != nil {
				f.VPC = &secgroup.VPCConfig{Subnets: f.VPC.Subnets}
			}
		case "DOMAIN_JOIN_INFO":
			f.Options.Directory = nil
		case "IAM_ROLE_ARN":
			f.Options.Role = ""
		case "USB_DEVICE_FILTER_STRINGS":
			f.Options.USBFilters = nil
		case "SESSION_SCRIPT_S3_LOCATION":
			f.Options.ScriptBucket, f.Options.ScriptKey = "", ""
		case "MAX_SESSIONS_PER_INSTANCE":
			f.Sessions = 0
		case "VOLUME_CONFIGURATION":
			f.Options.VolumeGB = 0
		}
	}
}

// options brings in what is kept to be shown.
func (c *FleetChange) options(o *secgroup.FleetOptions) {
	o.DisplayName = cmp.Or(c.DisplayName, o.DisplayName)
	o.Description = cmp.Or(c.Description, o.Description)
	o.NoIMDSv1 = cmp.Or(c.NoIMDSv1, o.NoIMDSv1)
	set(&o.StreamView, c.StreamView)
	set(&o.Role, c.Role)
	set(&o.VolumeGB, c.VolumeGB)
	o.Directory = cmp.Or(c.Directory, o.Directory)
	if c.USBFilters != nil {
		o.USBFilters = c.USBFilters
	}
	if c.Script != nil {
		o.ScriptBucket, o.ScriptKey = c.Script[0], c.Script[1]
	}
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func count(to *int, from *int32) {
	if from != nil {
		*to = int(*from)
	}
}

func seconds(to *time.Duration, from *int32) {
	if from != nil {
		*to = time.Duration(*from) * time.Second
	}
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// maxInternetInstances bounds a fleet with default internet access (section 1.6).
const maxInternetInstances = 100

// checkCapacity refuses more instances than the quotas allow.
func (s *Service) checkCapacity(tx *model.Tx, f *secgroup.Fleet) error {
	if f.Internet && f.Desired > maxInternetInstances {
		return secgroup.Errorf(streamLimit, "A fleet with default internet access can have %d instances at most. Requested: %d", maxInternetInstances, f.Desired)
	}
	limit := s.quotas(tx.Snapshot, f.Scope).StreamingPerType
	wanted := f.Desired
	for other := range tx.Fleets.By(model.ByScope, model.ScopeValue(f.Scope)) {
		if other.Name != f.Name && other.InstanceType == f.InstanceType && other.State != secgroup.FleetStopped {
			wanted += other.Desired
		}
	}
	if wanted > limit {
		return secgroup.Errorf(streamLimit, "The Instance type '%s' capacity limit for fleet %s was exceeded. Requested: %d, Limit: %d",
			f.InstanceType, f.Name, wanted, limit)
	}
	return nil
}
