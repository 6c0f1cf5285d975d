// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"reflect"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

// name is one mention of a resource in a request.
type name struct {
	by              naming
	text            string
	account, region string // of a resource elsewhere; "" for the caller's
}

type naming uint8

const (
	byIdentifier naming = iota
	byGroupName
	byTemplateName
	byPublicIP
)

// aside lists fields in which nothing is named that the call touches: texts of
// the client's own, and what rules and templates will name one day.
var aside = map[string]bool{
	"ClientToken": true, "Description": true, "Filters": true, "GroupDescription": true, "IpPermissions": true,
	"KeyName": true, "LaunchTemplateData": true, "LaunchTemplateName": true, "NextToken": true, "PrefixListName": true,
	"SecurityGroupRule": true, "SourceSecurityGroupName": true, "TagSpecifications": true, "Tags": true, "UserData": true,
	"VersionDescription": true,
}

// namedIn returns what a request names: every text of it that could be an id,
// and names of groups and launch templates.
func namedIn(in any) []name {
	var out []name
	v := reflect.ValueOf(in).Elem()
	if _, makes := in.(*ec2types.CreateSecurityGroupRequest); !makes {
		if s := textField(v, "GroupName"); s != "" && textField(v, "GroupId") == "" {
			out = append(out, name{by: byGroupName, text: s})
		}
	}
	if run, ok := in.(*ec2types.RunInstancesRequest); ok {
		for _, s := range run.SecurityGroups {
			out = append(out, name{by: byGroupName, text: s})
		}
		if l := run.LaunchTemplate; l != nil && deref(l.LaunchTemplateName) != "" {
			out = append(out, name{by: byTemplateName, text: *l.LaunchTemplateName})
		}
	} else if _, makes := in.(*ec2types.CreateLaunchTemplateRequest); !makes {
		if s := textField(v, "LaunchTemplateName"); s != "" {
			out = append(out, name{by: byTemplateName, text: s})
		}
	}
	if s := textField(v, "PublicIp"); s != "" {
		out = append(out, name{by: byPublicIP, text: s})
	}
	walkTexts(v, func(field, text string) {
		n := name{by: byIdentifier, text: text}
		if field == "PeerVpcId" {
			n.account, n.region = textField(v, "PeerOwnerId"), textField(v, "PeerRegion")
		}
		out = append(out, n)
	})
	return out
}

// walkTexts calls yield with every text in a request that is not set aside, and
// the field that it is in.
func walkTexts(v reflect.Value, yield func(field, text string)) {
	var walk func(field string, v reflect.Value)
	walk = func(field string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(field, v.Elem())
			}
		case reflect.Slice:
			if v.Type().Elem().Kind() == reflect.Uint8 {
				return
			}
			for i := range v.Len() {
				walk(field, v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && !aside[f.Name] {
					walk(f.Name, v.Field(i))
				}
			}
		case reflect.String:
			yield(field, v.String())
		}
	}
	walk("", v)
}

// textField returns an optional text of a request, "" when it has no such field.
func textField(v reflect.Value, field string) string {
	f := v.FieldByName(field)
	if !f.IsValid() {
		return ""
	}
	s, _ := f.Interface().(*string)
	return deref(s)
}

// tagSpecifications returns a request's tags on creation.
func tagSpecifications(in any) []ec2types.TagSpecification {
	f := reflect.ValueOf(in).Elem().FieldByName("TagSpecifications")
	if !f.IsValid() {
		return nil
	}
	specs, _ := f.Interface().([]ec2types.TagSpecification)
	return specs
}

// tagChange returns the tags that a request is about, and whether it takes them
// away.
func tagChange(in any) (tags secgroup.Tags, removes bool) {
	switch in := in.(type) {
	case *ec2types.CreateTagsRequest:
		return plainTags(in.Tags), false
	case *ec2types.DeleteTagsRequest:
		return plainTags(in.Tags), true
	}
	return nil, false
}

func plainTags(in []ec2types.Tag) secgroup.Tags {
	var tags secgroup.Tags
	for _, tag := range in {
		tags = append(tags, secgroup.Tag{Key: deref(tag.Key), Value: deref(tag.Value)})
	}
	return tags
}
