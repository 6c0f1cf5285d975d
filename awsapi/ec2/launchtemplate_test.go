// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

type templateData = sdktypes.RequestLaunchTemplateData

// template makes a launch template and returns its id.
func (r *rig) template(t *testing.T, name string, data *templateData) *string {
	t.Helper()
	return must(r.CreateLaunchTemplate(t.Context(), &sdk.CreateLaunchTemplateInput{LaunchTemplateName: &name, LaunchTemplateData: data}))(t).LaunchTemplate.LaunchTemplateId
}

// version adds a version and returns its number.
func (r *rig) version(t *testing.T, id *string, source *string, data *templateData) int64 {
	t.Helper()
	return *must(r.CreateLaunchTemplateVersion(t.Context(), &sdk.CreateLaunchTemplateVersionInput{
		LaunchTemplateId: id, SourceVersion: source, LaunchTemplateData: data,
	}))(t).LaunchTemplateVersion.VersionNumber
}

// versions returns the numbers that DescribeLaunchTemplateVersions answers.
func (r *rig) versions(t *testing.T, in *sdk.DescribeLaunchTemplateVersionsInput) (numbers []int64) {
	t.Helper()
	for _, v := range must(r.DescribeLaunchTemplateVersions(t.Context(), in))(t).LaunchTemplateVersions {
		numbers = append(numbers, *v.VersionNumber)
	}
	return numbers
}

func TestLaunchTemplate(t *testing.T) {
	r := newRig(t, control.Config{})
	out := must(r.CreateLaunchTemplate(t.Context(), &sdk.CreateLaunchTemplateInput{
		LaunchTemplateName: new("web/(1)_a.b-c"), VersionDescription: new("first"),
		LaunchTemplateData: &templateData{
			InstanceType: "t3.micro", SecurityGroupIds: []string{"sg-12345678"}, SecurityGroups: []string{"web"},
			NetworkInterfaces: []sdktypes.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{{DeviceIndex: new(int32(0)), Groups: []string{"sg-1", "sg-2"}}},
		},
		TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "launch-template", Tags: []sdktypes.Tag{{Key: new("k"), Value: new("v")}}}},
	}))(t)
	made := out.LaunchTemplate
	if !strings.HasPrefix(*made.LaunchTemplateId, "lt-") || *made.DefaultVersionNumber != 1 || *made.LatestVersionNumber != 1 ||
		*made.CreatedBy != r.key.ARN() || len(made.Tags) != 1 || made.CreateTime.IsZero() {
		t.Errorf("made %+v", made)
	}
	if w := out.Warning; w == nil || *w.Errors[0].Code != "InvalidParameterCombination" {
		t.Errorf("data that name both groups and interfaces: warning %+v", w)
	}
	id := made.LaunchTemplateId
	shown := must(r.DescribeLaunchTemplateVersions(t.Context(), &sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id}))(t).LaunchTemplateVersions
	if len(shown) != 1 || *shown[0].VersionDescription != "first" || !*shown[0].DefaultVersion || *shown[0].LaunchTemplateName != "web/(1)_a.b-c" {
		t.Fatalf("versions %+v", shown)
	}
	if d := shown[0].LaunchTemplateData; d.InstanceType != "t3.micro" || d.SecurityGroupIds[0] != "sg-12345678" || d.SecurityGroups[0] != "web" ||
		!slices.Equal(d.NetworkInterfaces[0].Groups, []string{"sg-1", "sg-2"}) || d.BlockDeviceMappings != nil {
		t.Errorf("data %+v", d)
	}

	// A version from a source keeps what it does not give.
	if n := r.version(t, id, new("1"), &templateData{SecurityGroupIds: []string{"sg-99999999"}}); n != 2 {
		t.Errorf("second version is %d", n)
	}
	if n := r.version(t, id, nil, &templateData{ImageId: new("ami-1")}); n != 3 {
		t.Errorf("third version is %d", n)
	}
	two := must(r.DescribeLaunchTemplateVersions(t.Context(), &sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: made.LaunchTemplateName, Versions: []string{"2", "2"}}))(t).LaunchTemplateVersions
	if d := two[0].LaunchTemplateData; len(two) != 1 || d.InstanceType != "t3.micro" || !slices.Equal(d.SecurityGroupIds, []string{"sg-99999999"}) || len(d.NetworkInterfaces) != 1 {
		t.Errorf("version 2 %+v", two)
	}

	modified := must(r.ModifyLaunchTemplate(t.Context(), &sdk.ModifyLaunchTemplateInput{LaunchTemplateId: id, DefaultVersion: new("2")}))(t).LaunchTemplate
	if *modified.DefaultVersionNumber != 2 || *modified.LatestVersionNumber != 3 {
		t.Errorf("modified %+v", modified)
	}
	for _, tt := range []struct {
		in   sdk.DescribeLaunchTemplateVersionsInput
		want []int64
	}{
		{sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id}, []int64{1, 2, 3}},
		{sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, Versions: []string{"$Latest", "$Default"}}, []int64{2, 3}},
		{sdk.DescribeLaunchTemplateVersionsInput{Versions: []string{"$Latest"}}, []int64{3}},
		{sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, MinVersion: new("2")}, []int64{2, 3}},
		{sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, MaxVersion: new("2")}, []int64{1, 2}},
		{sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, Filters: []sdktypes.Filter{where("is-default-version", "true")}}, []int64{2}},
		{sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, Filters: []sdktypes.Filter{where("image-id", "ami-*")}}, []int64{3}},
		{sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, Filters: []sdktypes.Filter{where("http-tokens", "*")}}, nil},
	} {
		if got := r.versions(t, &tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: versions %v, want %v", tt.in, got, tt.want)
		}
	}

	// The numbers of deleted versions are never given again; the default stays.
	gone := must(r.DeleteLaunchTemplateVersions(t.Context(), &sdk.DeleteLaunchTemplateVersionsInput{LaunchTemplateId: id, Versions: []string{"3", "2", "7"}}))(t)
	if len(gone.SuccessfullyDeletedLaunchTemplateVersions) != 1 || *gone.SuccessfullyDeletedLaunchTemplateVersions[0].VersionNumber != 3 {
		t.Errorf("deleted %+v", gone)
	}
	var codes []string
	for _, u := range gone.UnsuccessfullyDeletedLaunchTemplateVersions {
		codes = append(codes, fmt.Sprint(*u.VersionNumber, u.ResponseError.Code))
	}
	if !slices.Equal(codes, []string{"2unexpectedError", "7launchTemplateVersionDoesNotExist"}) {
		t.Errorf("not deleted: %q", codes)
	}
	if l := must(r.DescribeLaunchTemplates(t.Context(), &sdk.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{*id}}))(t).LaunchTemplates; *l[0].LatestVersionNumber != 2 {
		t.Errorf("latest is %d", *l[0].LatestVersionNumber)
	}
	if n := r.version(t, id, nil, &templateData{ImageId: new("ami-1")}); n != 4 {
		t.Errorf("the version after 3, which is gone, is %d", n)
	}

	if got := must(r.DeleteLaunchTemplate(t.Context(), &sdk.DeleteLaunchTemplateInput{LaunchTemplateId: id}))(t).LaunchTemplate; *got.LaunchTemplateId != *id {
		t.Errorf("deleted %+v", got)
	}
	if snap := r.control.Read(); snap.LaunchTemplates.Len() != 0 || snap.LaunchTemplateVersions.Len() != 0 {
		t.Error("rows of the template are left")
	}
}

// TestLaunchTemplateRefused holds the errors of section 7 of
// docs/spec/ec2-api.md.
func TestLaunchTemplateRefused(t *testing.T) {
	s := newSite(t)
	id := s.template(t, "taken", &templateData{ImageId: new("ami-netns")})
	const (
		noID   = "lt-0123456789abcdef0"
		gone   = "InvalidLaunchTemplateId.NotFound: The specified launch template, with template ID lt-0123456789abcdef0, does not exist."
		noName = "InvalidLaunchTemplateName.NotFoundException: The specified launch template, with template name none, does not exist."
		form   = "InvalidLaunchTemplateName.MalformedException: A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _."
	)
	find := func(in *sdk.DescribeLaunchTemplatesInput) error {
		_, err := s.DescribeLaunchTemplates(t.Context(), in)
		return err
	}
	look := func(in *sdk.DescribeLaunchTemplateVersionsInput) error {
		_, err := s.DescribeLaunchTemplateVersions(t.Context(), in)
		return err
	}
	create := func(name string) error {
		_, err := s.CreateLaunchTemplate(t.Context(), &sdk.CreateLaunchTemplateInput{LaunchTemplateName: &name, LaunchTemplateData: &templateData{ImageId: new("a")}})
		return err
	}
	modify := func(in *sdk.ModifyLaunchTemplateInput) error {
		_, err := s.ModifyLaunchTemplate(t.Context(), in)
		return err
	}
	remove := func(in *sdk.DeleteLaunchTemplateInput) error {
		_, err := s.DeleteLaunchTemplate(t.Context(), in)
		return err
	}
	run := func(from sdktypes.LaunchTemplateSpecification) error {
		_, err := s.RunInstances(t.Context(), s.launching(func(in *sdk.RunInstancesInput) { in.LaunchTemplate = &from }))
		return err
	}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"API-InvalidLaunchTemplateName.AlreadyExistsException", create("taken"), "InvalidLaunchTemplateName.AlreadyExistsException: Launch template name already in use."},
		{"API-InvalidLaunchTemplateName.MalformedException", create("a b"), form},
		{"too short", create("ab"), form},
		{"too long", create(strings.Repeat("a", 129)), form},
		{"run: unknown name", run(sdktypes.LaunchTemplateSpecification{LaunchTemplateName: new("none")}), noName},
		{"versions: unknown name", look(&sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: new("none")}), noName},
		{"describe: unknown name", find(&sdk.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{"taken", "none"}}),
			"InvalidLaunchTemplateName.NotFoundException: At least one of the launch templates specified in the request does not exist."},
		{"API-InvalidLaunchTemplateId.NotFound", run(sdktypes.LaunchTemplateSpecification{LaunchTemplateId: new(noID)}), gone},
		{"describe: unknown id", find(&sdk.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{noID}}), gone},
		{"delete: unknown id", remove(&sdk.DeleteLaunchTemplateInput{LaunchTemplateId: new(noID)}), gone},
		{"API-InvalidLaunchTemplateId.Malformed", find(&sdk.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{"lt-x"}}),
			`InvalidLaunchTemplateId.Malformed: Invalid id: "lt-x" (expecting "lt-...")`},
		{"API-InvalidLaunchTemplateId.VersionNotFound", run(sdktypes.LaunchTemplateSpecification{LaunchTemplateId: id, Version: new("3")}),
			"InvalidLaunchTemplateId.VersionNotFound: Could not find the specified version 3 for the launch template with ID " + *id + "."},
		{"describe: unknown version", look(&sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, Versions: []string{"newest"}}),
			"InvalidLaunchTemplateId.VersionNotFound: Could not find the specified version newest for the launch template with ID " + *id + "."},
		{"modify: unknown version", modify(&sdk.ModifyLaunchTemplateInput{LaunchTemplateId: id, DefaultVersion: new("2")}),
			"InvalidLaunchTemplateId.VersionNotFound: The launch template version 2 is not found for the specified launch template."},
		{"modify: id and name", modify(&sdk.ModifyLaunchTemplateInput{LaunchTemplateId: id, LaunchTemplateName: new("taken"), DefaultVersion: new("1")}),
			"InvalidParameterCombination: Either provide launch template ID or launch template name to modify the template."},
		{"modify: neither", modify(&sdk.ModifyLaunchTemplateInput{DefaultVersion: new("1")}),
			"MissingParameter: The request must contain the parameter LaunchTemplateId or LaunchTemplateName"},
		{"modify: no version", modify(&sdk.ModifyLaunchTemplateInput{LaunchTemplateId: id}),
			"MissingParameter: The request must contain the parameter SetDefaultVersion"},
		{"versions of nothing", look(&sdk.DescribeLaunchTemplateVersionsInput{}), "MissingParameter: " + whichVersions},
		{"numbers of nothing", look(&sdk.DescribeLaunchTemplateVersionsInput{Versions: []string{"$Latest", "1"}}), "InvalidParameterValue: " + whichVersions},
		{"API-W4 MaxResults", find(&sdk.DescribeLaunchTemplatesInput{MaxResults: new(int32(201))}),
			"InvalidParameterValue: Value (201) for parameter maxResults is invalid. Maximum results allowed are between 1 and 200."},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.err, tt.want) })
	}
}

// TestLaunchTemplatePages walks pages of one while templates come and go.
func TestLaunchTemplatePages(t *testing.T) {
	r := newRig(t, control.Config{})
	for _, name := range []string{"one", "two", "three"} {
		r.template(t, name, &templateData{ImageId: new("ami-1")})
	}
	var names []string
	in := &sdk.DescribeLaunchTemplatesInput{MaxResults: new(int32(1)), LaunchTemplateNames: []string{"three", "two", "one"}}
	for {
		out := must(r.DescribeLaunchTemplates(t.Context(), in))(t)
		for _, l := range out.LaunchTemplates {
			names = append(names, *l.LaunchTemplateName)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(names, []string{"one", "two", "three"}) {
		t.Errorf("pages show %q", names)
	}
	if got := must(r.in("eu-west-1").DescribeLaunchTemplates(t.Context(), &sdk.DescribeLaunchTemplatesInput{}))(t).LaunchTemplates; len(got) != 0 {
		t.Errorf("another Region sees %+v", got)
	}
}
