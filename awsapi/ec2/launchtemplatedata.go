// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// What a version of a template holds is kept as JSON under the names that its
// members have in the generated types. The types of requests, of results and of
// RunInstances name the same members alike, so one is read as another.

const maxTemplateData = 256 << 10 // bytes as stored

// encodeTemplate returns the stored form of a version's data: without what is
// not given.
func encodeTemplate(data *ec2types.RequestLaunchTemplateData) (json.RawMessage, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encode launch template data: %w", err)
	}
	var members any
	numbers := json.NewDecoder(bytes.NewReader(text))
	numbers.UseNumber()
	if err := numbers.Decode(&members); err != nil {
		return nil, fmt.Errorf("encode launch template data: %w", err)
	}
	text, err = json.Marshal(given(members))
	if err != nil {
		return nil, fmt.Errorf("encode launch template data: %w", err)
	}
	if len(text) > maxTemplateData {
		return nil, secgroup.Errorf("InvalidParameterValue", "The launch template data cannot be larger than %d bytes.", maxTemplateData)
	}
	return text, nil
}

// given returns a JSON value without members that are null.
func given(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if member == nil {
				delete(value, name)
			} else {
				value[name] = given(member)
			}
		}
	case []any:
		for i := range value {
			value[i] = given(value[i])
		}
	}
	return value
}

// decodeTemplate reads a version's data as the generated type that into points
// to.
func decodeTemplate(data json.RawMessage, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read launch template data: %w", err)
	}
	return nil
}

// overlay sets every member of into that over gives. Both are pointers to the
// same type.
func overlay[T any](into, over *T) {
	to, from := reflect.ValueOf(into).Elem(), reflect.ValueOf(over).Elem()
	for i := range to.NumField() {
		if !from.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
}

// launchFrom returns the launch that a request makes of a version's data. What
// the request gives replaces what the version gives, member by member; its
// groups, by id or name, replace all of the version's groups; tags are merged by
// key.
func launchFrom(data json.RawMessage, in *ec2types.RunInstancesRequest) (*ec2types.RunInstancesRequest, error) {
	var version ec2types.RequestLaunchTemplateData
	if err := decodeTemplate(data, &version); err != nil {
		return nil, err
	}
	if version.InstanceRequirements != nil {
		return nil, errUnsupported
	}
	launch := new(ec2types.RunInstancesRequest)
	if err := decodeTemplate(data, launch); err != nil {
		return nil, err
	}
	launch.ElasticGpuSpecification = version.ElasticGpuSpecifications // the one member with two names
	tags := append(launch.TagSpecifications, in.TagSpecifications...)
	if len(in.SecurityGroupIds) > 0 || len(in.SecurityGroups) > 0 {
		launch.SecurityGroupIds, launch.SecurityGroups = nil, nil
	}
	overlay(launch, in)
	launch.TagSpecifications, launch.LaunchTemplate = tags, nil
	return launch, nil
}

// runTemplate is RunInstances with a launch template. What the request itself
// gives is checked before the template is looked up.
func (s *Service) runTemplate(c *awsapi.Call, in *ec2types.RunInstancesRequest, token control.ClientToken) (func(context.Context) (*ec2types.Reservation, error), error) {
	ref, err := templateRef(in.LaunchTemplate.LaunchTemplateId, in.LaunchTemplate.LaunchTemplateName, "launch from the template")
	if err != nil {
		return nil, err
	}
	if err := s.checkLaunch(c.Region, in); err != nil {
		return nil, err
	}
	absent := pin(s.control.Read(), c.Scope(), in)
	if absent == nil {
		ref = control.TemplateRef{ID: *in.LaunchTemplate.LaunchTemplateId}
	}
	return func(ctx context.Context) (*ec2types.Reservation, error) {
		return s.reserved(s.control.RunTemplate(ctx, c.Behalf(), ref, deref(in.LaunchTemplate.Version), token,
			func(v *secgroup.LaunchTemplateVersion) (control.Launch, error) {
				if absent != nil { // what came since then is nothing that the caller was allowed
					return control.Launch{}, absent
				}
				launch, err := launchFrom(v.Data, in)
				if err != nil {
					return control.Launch{}, err
				}
				return s.parseLaunch(c.Region, launch)
			}))
	}, nil
}

// pin makes a request name its version by the template's id and the number, which
// mean the same for ever: the caller is allowed to launch what is launched. It
// leaves the request alone and returns why if there is no such version.
func pin(snap *model.Snapshot, scope secgroup.Scope, in *ec2types.RunInstancesRequest) error {
	from := in.LaunchTemplate
	t, err := control.FindLaunchTemplate(snap, scope, control.TemplateRef{ID: deref(from.LaunchTemplateId), Name: deref(from.LaunchTemplateName)})
	if err != nil {
		return err
	}
	v, err := control.FindTemplateVersion(snap, t, deref(from.Version))
	if err != nil {
		return err
	}
	in.LaunchTemplate = &ec2types.LaunchTemplateSpecification{LaunchTemplateId: &t.ID, Version: new(strconv.FormatInt(v.Number, 10))}
	return nil
}

// checkLaunch checks a launch as far as it is given.
func (s *Service) checkLaunch(region string, in *ec2types.RunInstancesRequest) error {
	complete := *in
	complete.LaunchTemplate = nil
	if deref(complete.ImageId) == "" {
		complete.ImageId = new(secgroup.ImagePrefix + "-00000000") // of good form
	}
	_, err := s.parseLaunch(region, &complete)
	return err
}

// doubt warns of data from which nothing can be launched, whatever a launch adds;
// nil when they look good (docs/spec/ec2-api.md section 7).
func (s *Service) doubt(region string, data json.RawMessage) *ec2types.ValidationWarning {
	launch, err := launchFrom(data, &ec2types.RunInstancesRequest{MinCount: new(int32(1)), MaxCount: new(int32(1))})
	if err == nil {
		err = s.checkLaunch(region, launch)
	}
	var refusal *secgroup.Error
	if !errors.As(err, &refusal) {
		return nil
	}
	return &ec2types.ValidationWarning{Errors: []ec2types.ValidationError{{Code: &refusal.Code, Message: &refusal.Message}}}
}
