// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Launch templates are section 7 of docs/spec/ec2-api.md.
func (s *Service) launchTemplateOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateLaunchTemplate", s.createLaunchTemplate),
		awsapi.RegionalOp(s.control, "CreateLaunchTemplateVersion", s.createLaunchTemplateVersion),
		awsapi.RegionalOp(s.control, "DescribeLaunchTemplates", s.describeLaunchTemplates),
		awsapi.RegionalOp(s.control, "DescribeLaunchTemplateVersions", s.describeLaunchTemplateVersions),
		awsapi.RegionalOp(s.control, "ModifyLaunchTemplate", s.modifyLaunchTemplate),
		awsapi.RegionalOp(s.control, "DeleteLaunchTemplate", s.deleteLaunchTemplate),
		awsapi.RegionalOp(s.control, "DeleteLaunchTemplateVersions", s.deleteLaunchTemplateVersions),
		awsapi.RegionalOp(s.control, "GetLaunchTemplateData", s.getLaunchTemplateData),
	}
}

// templateRef reads the id or name of one template; purpose completes the
// refusal of both.
func templateRef(id, name *string, purpose string) (control.TemplateRef, error) {
	ref := control.TemplateRef{ID: deref(id), Name: deref(name)}
	switch {
	case ref.ID != "" && ref.Name != "":
		return ref, secgroup.Errorf("InvalidParameterCombination", "Either provide launch template ID or launch template name to %s.", purpose)
	case ref.ID != "":
		return ref, templateID(ref.ID)
	case ref.Name == "":
		return ref, missing("LaunchTemplateId or LaunchTemplateName")
	}
	return ref, nil
}

func templateID(id string) error {
	return secgroup.CheckID(secgroup.LaunchTemplatePrefix, id, "InvalidLaunchTemplateId.Malformed")
}

func (s *Service) createLaunchTemplate(c *awsapi.Call, in *ec2types.CreateLaunchTemplateRequest) (func(context.Context) (*ec2types.CreateLaunchTemplateResult, error), error) {
	if deref(in.LaunchTemplateName) == "" {
		return nil, missing("LaunchTemplateName")
	}
	if in.Operator != nil {
		return nil, errUnsupported
	}
	if err := secgroup.CheckLaunchTemplateName(*in.LaunchTemplateName); err != nil {
		return nil, err
	}
	if err := checkVersionSpec(in.LaunchTemplateData, in.VersionDescription); err != nil {
		return nil, err
	}
	data, err := encodeTemplate(in.LaunchTemplateData)
	if err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.LaunchTemplateType)
	if err != nil {
		return nil, err
	}
	token, err := clientToken(in)
	if err != nil {
		return nil, err
	}
	spec := control.TemplateSpec{
		Name: *in.LaunchTemplateName, Description: deref(in.VersionDescription), Data: data, Tags: tags[control.LaunchTemplateType],
	}
	return func(ctx context.Context) (*ec2types.CreateLaunchTemplateResult, error) {
		t, err := s.control.CreateLaunchTemplate(ctx, c.Behalf(), spec, token)
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateLaunchTemplateResult{LaunchTemplate: new(showTemplate(t)), Warning: s.doubt(c.Region, data)}, nil
	}, nil
}

const maxVersionDescription = 255 // characters

// checkVersionSpec checks what both operations take that make versions.
func checkVersionSpec(data *ec2types.RequestLaunchTemplateData, description *string) error {
	if data == nil {
		return missing("LaunchTemplateData")
	}
	if utf8.RuneCountInString(deref(description)) > maxVersionDescription {
		return secgroup.Errorf("InvalidParameterValue", "The version description cannot be longer than %d characters.", maxVersionDescription)
	}
	return nil
}

func (s *Service) createLaunchTemplateVersion(c *awsapi.Call, in *ec2types.CreateLaunchTemplateVersionRequest) (func(context.Context) (*ec2types.CreateLaunchTemplateVersionResult, error), error) {
	ref, err := templateRef(in.LaunchTemplateId, in.LaunchTemplateName, "create a version of the template")
	if err != nil {
		return nil, err
	}
	if err := checkVersionSpec(in.LaunchTemplateData, in.VersionDescription); err != nil {
		return nil, err
	}
	token, err := clientToken(in)
	if err != nil {
		return nil, err
	}
	spec := control.VersionSpec{
		Template: ref, Source: deref(in.SourceVersion), Description: deref(in.VersionDescription),
		Data: func(source json.RawMessage) (json.RawMessage, error) {
			data := new(ec2types.RequestLaunchTemplateData)
			if source != nil {
				if err := decodeTemplate(source, data); err != nil {
					return nil, err
				}
			}
			overlay(data, in.LaunchTemplateData)
			return encodeTemplate(data)
		},
	}
	return func(ctx context.Context) (*ec2types.CreateLaunchTemplateVersionResult, error) {
		t, v, err := s.control.CreateLaunchTemplateVersion(ctx, c.Behalf(), spec, token)
		if err != nil {
			return nil, err
		}
		shown, err := showTemplateVersion(templateVersion{t, v})
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateLaunchTemplateVersionResult{LaunchTemplateVersion: &shown, Warning: s.doubt(c.Region, v.Data)}, nil
	}, nil
}

func (s *Service) modifyLaunchTemplate(c *awsapi.Call, in *ec2types.ModifyLaunchTemplateRequest) (func(context.Context) (*ec2types.ModifyLaunchTemplateResult, error), error) {
	ref, err := templateRef(in.LaunchTemplateId, in.LaunchTemplateName, "modify the template")
	if err != nil {
		return nil, err
	}
	if deref(in.DefaultVersion) == "" {
		return nil, missing("SetDefaultVersion")
	}
	token, err := clientToken(in)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.ModifyLaunchTemplateResult, error) {
		t, err := s.control.ModifyLaunchTemplate(ctx, c.Behalf(), ref, *in.DefaultVersion, token)
		if err != nil {
			return nil, err
		}
		return &ec2types.ModifyLaunchTemplateResult{LaunchTemplate: new(showTemplate(t))}, nil
	}, nil
}

func (s *Service) deleteLaunchTemplate(c *awsapi.Call, in *ec2types.DeleteLaunchTemplateRequest) (func(context.Context) (*ec2types.DeleteLaunchTemplateResult, error), error) {
	ref, err := templateRef(in.LaunchTemplateId, in.LaunchTemplateName, "delete the template")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.DeleteLaunchTemplateResult, error) {
		t, err := s.control.DeleteLaunchTemplate(ctx, c.Behalf(), ref)
		if err != nil {
			return nil, err
		}
		return &ec2types.DeleteLaunchTemplateResult{LaunchTemplate: new(showTemplate(t))}, nil
	}, nil
}

const maxDeletedVersions = 200 // in one call

func (s *Service) deleteLaunchTemplateVersions(c *awsapi.Call, in *ec2types.DeleteLaunchTemplateVersionsRequest) (func(context.Context) (*ec2types.DeleteLaunchTemplateVersionsResult, error), error) {
	ref, err := templateRef(in.LaunchTemplateId, in.LaunchTemplateName, "delete versions of the template")
	if err != nil {
		return nil, err
	}
	switch n := len(in.Versions); {
	case n == 0:
		return nil, missing("LaunchTemplateVersion")
	case n > maxDeletedVersions:
		return nil, secgroup.Errorf("InvalidParameterValue", "The request may name at most %d versions.", maxDeletedVersions)
	}
	numbers := make([]int64, len(in.Versions))
	for i, text := range in.Versions {
		if numbers[i], err = parseVersion("LaunchTemplateVersion", text); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) (*ec2types.DeleteLaunchTemplateVersionsResult, error) {
		t, outcome, err := s.control.DeleteLaunchTemplateVersions(ctx, c.Behalf(), ref, numbers)
		if err != nil {
			return nil, err
		}
		return showDeletions(t, outcome), nil
	}, nil
}

func showDeletions(t *secgroup.LaunchTemplate, outcome []control.VersionDeletion) *ec2types.DeleteLaunchTemplateVersionsResult {
	out := &ec2types.DeleteLaunchTemplateVersionsResult{
		SuccessfullyDeletedLaunchTemplateVersions:   []ec2types.DeleteLaunchTemplateVersionsResponseSuccessItem{},
		UnsuccessfullyDeletedLaunchTemplateVersions: []ec2types.DeleteLaunchTemplateVersionsResponseErrorItem{},
	}
	for _, d := range outcome {
		var why *ec2types.ResponseError
		switch {
		case d.Missing:
			why = &ec2types.ResponseError{Code: new("launchTemplateVersionDoesNotExist"), Message: new("Launch template version does not exist.")}
		case d.Default:
			why = &ec2types.ResponseError{Code: new("unexpectedError"), Message: new("The default version of a launch template cannot be deleted. Make another version the default first.")}
		default:
			out.SuccessfullyDeletedLaunchTemplateVersions = append(out.SuccessfullyDeletedLaunchTemplateVersions,
				ec2types.DeleteLaunchTemplateVersionsResponseSuccessItem{LaunchTemplateId: new(t.ID), LaunchTemplateName: new(t.Name), VersionNumber: new(d.Number)})
			continue
		}
		out.UnsuccessfullyDeletedLaunchTemplateVersions = append(out.UnsuccessfullyDeletedLaunchTemplateVersions,
			ec2types.DeleteLaunchTemplateVersionsResponseErrorItem{LaunchTemplateId: new(t.ID), LaunchTemplateName: new(t.Name), VersionNumber: new(d.Number), ResponseError: why})
	}
	return out
}

// parseVersion reads the number of a version.
func parseVersion(parameter, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. Expecting the number of a version.", text, parameter)
	}
	return n, nil
}
