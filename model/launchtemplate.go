// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/hedgeward/hedgeward/secgroup"

// The kinds of rows that describe launches.
const (
	LaunchTemplates        Kind = "launch-template"
	LaunchTemplateVersions Kind = "launch-template-version"
)

// ByTemplate is the index of LaunchTemplateVersions by the id of their template.
// LaunchTemplates have ByScope and ByName: TemplateNameValue.
const ByTemplate = "template"

// TemplateNameValue is what ByName looks up in LaunchTemplates.
func TemplateNameValue(s secgroup.Scope, name string) string { return ScopeValue(s) + "/" + name }

var (
	launchTemplateSchema = schema[secgroup.LaunchTemplate]{
		kind: LaunchTemplates, id: func(t *secgroup.LaunchTemplate) string { return t.ID },
		indexes: []index[secgroup.LaunchTemplate]{
			{ByScope, func(t *secgroup.LaunchTemplate) []string { return []string{ScopeValue(t.Scope)} }},
			{ByName, func(t *secgroup.LaunchTemplate) []string { return []string{TemplateNameValue(t.Scope, t.Name)} }},
		},
	}
	launchTemplateVersionSchema = schema[secgroup.LaunchTemplateVersion]{
		kind: LaunchTemplateVersions, id: func(v *secgroup.LaunchTemplateVersion) string { return VersionID(v.Template, v.Number) },
		indexes: []index[secgroup.LaunchTemplateVersion]{
			{ByTemplate, func(v *secgroup.LaunchTemplateVersion) []string { return []string{v.Template} }},
		},
	}
)
