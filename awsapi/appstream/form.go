// SPDX-License-Identifier: Apache-2.0

package appstream

import (
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/awsapi/json11"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// The model's patterns, which generated types do not have (docs/spec/appstream.md
// section 2.1).
var (
	namePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,100}$`)
	userPattern = regexp.MustCompile(`^[\w+=,.@-]*$`)
	tagPattern  = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
)

func matches(pattern *regexp.Regexp, path, value string) error {
	if pattern.MatchString(value) {
		return nil
	}
	return json11.Invalid(path, value, "Member must satisfy regular expression pattern: "+pattern.String())
}

// checkName refuses what no resource can be called.
func checkName(name *string) error { return matches(namePattern, "name", deref(name)) }

// within refuses a number outside a range; absent is not outside.
func within[N int32 | int64](path string, n *N, low, high N) error {
	switch {
	case n == nil:
		return nil
	case *n < low:
		return json11.Invalid(path, *n, "Member must have value greater than or equal to "+text(low))
	case *n > high:
		return json11.Invalid(path, *n, "Member must have value less than or equal to "+text(high))
	}
	return nil
}

// parseTags returns a request's tags by key.
func parseTags(in map[string]string) (secgroup.Tags, error) {
	var tags secgroup.Tags
	for _, key := range slices.Sorted(maps.Keys(in)) {
		tag := secgroup.Tag{Key: key, Value: in[key]}
		if key == "" || len(key) > 128 || tag.Reserved() || !tagPattern.MatchString(key) {
			return nil, json11.Invalid("tags", key, "Map keys must have 1 to 128 characters and not begin with aws:")
		}
		if len(tag.Value) > 256 || !tagPattern.MatchString(tag.Value) {
			return nil, json11.Invalid("tags", tag.Value, "Map values must have 256 characters at most")
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

// showTags returns tags as results have them, empty and not absent for none.
func showTags(tags secgroup.Tags) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}

func parseVPC(in *appstreamtypes.VpcConfig) *control.StreamingVPC {
	if in == nil {
		return nil
	}
	return &control.StreamingVPC{Subnets: in.SubnetIds, Groups: in.SecurityGroupIds}
}

// showVPC shows what the customer gave: no groups where the default one is used
// (section 3.4).
func showVPC(c *secgroup.VPCConfig) *appstreamtypes.VpcConfig {
	if c == nil {
		return nil
	}
	return &appstreamtypes.VpcConfig{SubnetIds: c.Subnets, SecurityGroupIds: c.Groups}
}

func parseDirectory(in *appstreamtypes.DomainJoinInfo) *secgroup.Directory {
	if in == nil {
		return nil
	}
	return &secgroup.Directory{Name: deref(in.DirectoryName), Unit: deref(in.OrganizationalUnitDistinguishedName)}
}

func showDirectory(d *secgroup.Directory) *appstreamtypes.DomainJoinInfo {
	if d == nil {
		return nil
	}
	return &appstreamtypes.DomainJoinInfo{DirectoryName: optional(d.Name), OrganizationalUnitDistinguishedName: optional(d.Unit)}
}

func parseVolume(in *appstreamtypes.VolumeConfig) (*int32, error) {
	if in == nil {
		return nil, nil
	}
	return in.VolumeSizeInGb, within("rootVolumeConfig.volumeSizeInGb", in.VolumeSizeInGb, 200, 500)
}

func showVolume(gb int32) *appstreamtypes.VolumeConfig {
	if gb == 0 {
		return nil
	}
	return &appstreamtypes.VolumeConfig{VolumeSizeInGb: &gb}
}

func parseEndpoints(in []appstreamtypes.AccessEndpoint) []string {
	if in == nil {
		return nil
	}
	ids := []string{}
	for _, e := range in {
		ids = append(ids, deref(e.VpceId))
	}
	return ids
}

func showEndpoints(ids []string) []appstreamtypes.AccessEndpoint {
	return each(ids, func(id string) appstreamtypes.AccessEndpoint {
		return appstreamtypes.AccessEndpoint{EndpointType: new("STREAMING"), VpceId: optional(id)}
	})
}

// validity returns how long a URL lets in (sections 4 and 7).
func validity(in *int64, usual time.Duration) (time.Duration, error) {
	if in == nil {
		return usual, nil
	}
	return time.Duration(*in) * time.Second, within("validity", in, 1, 604800)
}

// page returns the part of a listing that a request is for, and the token of the
// next. Items are in the order of their keys, which are unique.
func page[T any](items []T, key func(T) string, limit int, token *string) (part []T, next *string, err error) {
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	if token != nil {
		after, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil || !strings.HasPrefix(string(after), tokenPrefix) {
			return nil, nil, json11.Invalid("nextToken", *token, "Member must be a token of an earlier answer")
		}
		last := strings.TrimPrefix(string(after), tokenPrefix)
		n, found := slices.BinarySearchFunc(items, last, func(item T, last string) int { return strings.Compare(key(item), last) })
		if found {
			n++
		}
		items = items[n:]
	}
	if len(items) <= limit {
		return items, nil, nil
	}
	last := base64.RawURLEncoding.EncodeToString([]byte(tokenPrefix + key(items[limit-1])))
	return items[:limit], &last, nil
}

const (
	tokenPrefix = "after:"
	pageSize    = 50 // where the request has no say
)
