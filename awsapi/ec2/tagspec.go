// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"slices"
	"unicode/utf8"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// The lengths that a tag may have, in characters (docs/spec/ec2-api.md section 10).
const (
	maxTagKey   = 128
	maxTagValue = 256
)

// reservedKey refuses keys that begin with aws:.
const reservedKey = "Value ( %s ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use"

// parseTagSpecifications returns the tags that a request wants on what it
// creates, by resource type. types are those that the operation creates. Types
// given twice are merged. How many tags a resource may have is control's to
// check.
func parseTagSpecifications(in []ec2types.TagSpecification, types ...string) (map[string]secgroup.Tags, error) {
	reserved := reservedKey
	if slices.Contains(types, control.InstanceType) { // RunInstances has its own words
		reserved = "%.0sTag keys starting with 'aws:' are reserved for internal use"
	}
	specs := map[string]secgroup.Tags{}
	for i := range in {
		if in[i].ResourceType == nil || *in[i].ResourceType == "" {
			return nil, secgroup.Errorf("InvalidParameter", "Tag specification resource type must have a value")
		}
		kind := *in[i].ResourceType
		if !slices.Contains(types, kind) {
			return nil, secgroup.Errorf("InvalidParameterValue",
				"'%s' is not a valid taggable resource type for this operation.", kind)
		}
		if len(in[i].Tags) == 0 {
			return nil, secgroup.Errorf("InvalidParameterValue", "Tag specification must have at least one tag")
		}
		tags, err := parseTags(in[i].Tags, reserved)
		if err != nil {
			return nil, err
		}
		specs[kind] = specs[kind].With(tags...)
	}
	return specs, nil
}

// parseTags checks keys and values. A value that is absent is empty. reserved
// words the refusal of keys that begin with aws:.
func parseTags(in []ec2types.Tag, reserved string) (secgroup.Tags, error) {
	var tags secgroup.Tags
	for i := range in {
		if err := checkTagKey(in[i].Key, reserved); err != nil {
			return nil, err
		}
		tag := secgroup.Tag{Key: *in[i].Key}
		if in[i].Value != nil {
			tag.Value = *in[i].Value
		}
		if utf8.RuneCountInString(tag.Value) > maxTagValue {
			return nil, secgroup.Errorf("InvalidParameterValue", "Tag value exceeds the maximum length of %d characters", maxTagValue)
		}
		if _, again := tags.Get(tag.Key); again {
			return nil, secgroup.Errorf("InvalidParameterValue", "Duplicate tag key '%s' specified.", tag.Key)
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

func checkTagKey(key *string, reserved string) error {
	switch {
	case key == nil || *key == "":
		return secgroup.Errorf("MissingParameter", "The request must contain the parameter key")
	case secgroup.ReservedKey(*key):
		return secgroup.Errorf("InvalidParameterValue", reserved, *key)
	case utf8.RuneCountInString(*key) > maxTagKey:
		return secgroup.Errorf("InvalidParameterValue", "Tag key exceeds the maximum length of %d characters", maxTagKey)
	}
	return nil
}
