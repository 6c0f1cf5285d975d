// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

var (
	templatePaging = paging{operation: "DescribeLaunchTemplates", min: 1, max: 200}
	versionPaging  = paging{operation: "DescribeLaunchTemplateVersions", min: 1, max: 200}
)

// checkTemplatePage is the range of MaxResults in the words of both describes.
func checkTemplatePage(limit *int32) error {
	if limit == nil || *limit >= templatePaging.min && *limit <= templatePaging.max {
		return nil
	}
	return secgroup.Errorf("InvalidParameterValue", "Value (%d) for parameter maxResults is invalid. Maximum results allowed are between %d and %d.",
		*limit, templatePaging.min, templatePaging.max)
}

var templateFilters = filters[secgroup.LaunchTemplate]{
	names: map[string]func(*secgroup.LaunchTemplate) []string{
		"create-time":          one(func(t *secgroup.LaunchTemplate) string { return timeText(t.Created) }),
		"launch-template-name": one(func(t *secgroup.LaunchTemplate) string { return t.Name }),
	},
	tags: func(t *secgroup.LaunchTemplate) secgroup.Tags { return t.Tags },
}

func (s *Service) describeLaunchTemplates(c *awsapi.Call, in *ec2types.DescribeLaunchTemplatesRequest) (func(context.Context) (*ec2types.DescribeLaunchTemplatesResult, error), error) {
	if err := checkTemplatePage(in.MaxResults); err != nil {
		return nil, err
	}
	cursor, err := templatePaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	for _, id := range in.LaunchTemplateIds {
		if err := templateID(id); err != nil {
			return nil, err
		}
	}
	match, err := templateFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeLaunchTemplatesResult, error) {
		rows, err := control.LaunchTemplates(s.control.Read(), c.Scope(), in.LaunchTemplateIds, in.LaunchTemplateNames)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeLaunchTemplatesResult{}
		out.LaunchTemplates, out.NextToken = list(cursor, rows, match,
			func(t *secgroup.LaunchTemplate) string { return sortKey(t.Created, t.ID) }, showTemplate)
		return out, nil
	}, nil
}

func showTemplate(t *secgroup.LaunchTemplate) ec2types.LaunchTemplate {
	return ec2types.LaunchTemplate{
		LaunchTemplateId: new(t.ID), LaunchTemplateName: new(t.Name), CreateTime: new(t.Created), CreatedBy: new(t.CreatedBy),
		DefaultVersionNumber: new(t.Default), LatestVersionNumber: new(t.Latest), Tags: tagSet(t.Tags),
	}
}

// templateVersion is a version with its template.
type templateVersion struct {
	*secgroup.LaunchTemplate
	*secgroup.LaunchTemplateVersion
}

// place puts versions in the order of their templates and then of their numbers.
func (v templateVersion) place() string {
	return sortKey(v.LaunchTemplate.Created, v.ID) + fmt.Sprintf("%020d", v.Number)
}

func showTemplateVersion(v templateVersion) (ec2types.LaunchTemplateVersion, error) {
	out := ec2types.LaunchTemplateVersion{
		LaunchTemplateId: new(v.ID), LaunchTemplateName: new(v.Name), VersionNumber: new(v.Number), VersionDescription: optional(v.Description),
		CreateTime: new(v.LaunchTemplateVersion.Created), CreatedBy: new(v.LaunchTemplateVersion.CreatedBy), DefaultVersion: new(v.Number == v.Default),
		LaunchTemplateData: new(ec2types.ResponseLaunchTemplateData),
	}
	return out, decodeTemplate(v.Data, out.LaunchTemplateData)
}

// versionRange reads what a request says about the numbers it wants to see.
func versionRange(lowest, highest *string) (from, to int64, err error) {
	from, to = 1, math.MaxInt64
	if deref(lowest) != "" {
		if from, err = parseVersion("MinVersion", *lowest); err != nil {
			return from, to, err
		}
	}
	if deref(highest) != "" {
		to, err = parseVersion("MaxVersion", *highest)
	}
	return from, to, err
}

// whichVersions is how the real service explains the two ways to ask for
// versions.
const whichVersions = "To describe the launch template data for all your launch templates, for ‘--versions’ specify ‘$Latest’, ‘$Default’, or both, and omit ‘--launch-template-id’, ‘--launch-template-name’, and version numbers. To describe the launch template data for a specific launch template, specify ‘--launch-template-id’ or ‘--launch-template-name’, and for ‘--versions’ specify one or more of the following values: ‘$Latest’, ‘$Default’, or one or more version numbers."

// checkVersions checks the versions of a request that names no template.
func checkVersions(versions []string) error {
	if len(versions) == 0 {
		return secgroup.Errorf("MissingParameter", whichVersions)
	}
	for _, version := range versions {
		if version != control.LatestVersion && version != control.DefaultVersion {
			return secgroup.Errorf("InvalidParameterValue", whichVersions)
		}
	}
	return nil
}

func (s *Service) describeLaunchTemplateVersions(c *awsapi.Call, in *ec2types.DescribeLaunchTemplateVersionsRequest) (func(context.Context) (*ec2types.DescribeLaunchTemplateVersionsResult, error), error) {
	if err := checkTemplatePage(in.MaxResults); err != nil {
		return nil, err
	}
	var ref *control.TemplateRef
	if deref(in.LaunchTemplateId) == "" && deref(in.LaunchTemplateName) == "" {
		if err := checkVersions(in.Versions); err != nil {
			return nil, err
		}
	} else {
		named, err := templateRef(in.LaunchTemplateId, in.LaunchTemplateName, "describe versions of the template")
		if err != nil {
			return nil, err
		}
		ref = &named
	}
	from, to, err := versionRange(in.MinVersion, in.MaxVersion)
	if err != nil {
		return nil, err
	}
	cursor, err := versionPaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	match, err := versionFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeLaunchTemplateVersionsResult, error) {
		found, err := versionsOf(s.control.Read(), c.Scope(), ref, in.Versions)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(v templateVersion) bool { return v.Number < from || v.Number > to })
		rows := make([]*filteredVersion, len(found))
		for i, v := range found {
			if rows[i], err = newFilteredVersion(v); err != nil {
				return nil, err
			}
		}
		out := &ec2types.DescribeLaunchTemplateVersionsResult{}
		out.LaunchTemplateVersions, out.NextToken = list(cursor, rows, match, (*filteredVersion).place,
			func(v *filteredVersion) ec2types.LaunchTemplateVersion { return v.shown })
		return out, nil
	}, nil
}

// versionsOf returns the versions, each once, of one template or, for no ref, of
// all; no versions are all.
func versionsOf(snap *model.Snapshot, scope secgroup.Scope, ref *control.TemplateRef, versions []string) ([]templateVersion, error) {
	var templates []*secgroup.LaunchTemplate
	var err error
	if ref == nil {
		templates, err = control.LaunchTemplates(snap, scope, nil, nil)
	} else {
		templates = make([]*secgroup.LaunchTemplate, 1)
		templates[0], err = control.FindLaunchTemplate(snap, scope, *ref)
	}
	if err != nil {
		return nil, err
	}
	var found []templateVersion
	for _, t := range templates {
		if len(versions) == 0 {
			for _, v := range control.TemplateVersions(snap, t) {
				found = append(found, templateVersion{t, v})
			}
		}
		seen := map[int64]bool{}
		for _, version := range versions {
			v, err := control.FindTemplateVersion(snap, t, version)
			if err != nil {
				return nil, err
			}
			if !seen[v.Number] {
				seen[v.Number] = true
				found = append(found, templateVersion{t, v})
			}
		}
	}
	return found, nil
}
