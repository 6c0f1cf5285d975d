// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"cmp"
	"context"
	"encoding/base64"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// describeInstanceAttribute is section 6.3 of docs/spec/ec2-api.md.
func (s *Service) describeInstanceAttribute(c *awsapi.Call, in *ec2types.DescribeInstanceAttributeRequest) (func(context.Context) (*ec2types.InstanceAttribute, error), error) {
	if err := instanceID(in.InstanceId); err != nil {
		return nil, err
	}
	if deref(in.Attribute) == "" {
		return nil, missing("attribute")
	}
	show := instanceAttributes[*in.Attribute]
	if show == nil {
		return nil, unknownAttribute(*in.Attribute)
	}
	return func(context.Context) (*ec2types.InstanceAttribute, error) {
		snap := s.control.Read()
		rows, err := control.Instances(snap, c.Scope(), *in.InstanceId)
		if err != nil {
			return nil, err
		}
		out := &ec2types.InstanceAttribute{InstanceId: &rows[0].ID}
		show(view(snap, rows[0]), out)
		return out, nil
	}, nil
}

func text(value string) *ec2types.AttributeValue { return &ec2types.AttributeValue{Value: &value} }
func flag(value bool) *ec2types.AttributeBooleanValue {
	return &ec2types.AttributeBooleanValue{Value: &value}
}

// instanceAttributes shows each attribute of an instance. Those that no instance
// has are shown without a value.
var instanceAttributes = map[string]func(*inst, *ec2types.InstanceAttribute){
	"instanceType": func(in *inst, out *ec2types.InstanceAttribute) { out.InstanceType = text(in.Type) },
	"disableApiTermination": func(in *inst, out *ec2types.InstanceAttribute) {
		out.DisableApiTermination = flag(in.Options.NoTermination)
	},
	"disableApiStop": func(in *inst, out *ec2types.InstanceAttribute) { out.DisableApiStop = flag(in.Options.NoStop) },
	"ebsOptimized":   func(in *inst, out *ec2types.InstanceAttribute) { out.EbsOptimized = flag(in.Options.EBSOptimized) },
	"enaSupport":     func(_ *inst, out *ec2types.InstanceAttribute) { out.EnaSupport = flag(true) },
	"enclaveOptions": func(_ *inst, out *ec2types.InstanceAttribute) {
		out.EnclaveOptions = &ec2types.EnclaveOptions{Enabled: new(false)}
	},
	"instanceInitiatedShutdownBehavior": func(in *inst, out *ec2types.InstanceAttribute) {
		out.InstanceInitiatedShutdownBehavior = text(cmp.Or(in.Options.ShutdownBehavior, "stop"))
	},
	"rootDeviceName": func(_ *inst, out *ec2types.InstanceAttribute) { out.RootDeviceName = text(rootDeviceName) },
	"blockDeviceMapping": func(_ *inst, out *ec2types.InstanceAttribute) {
		out.BlockDeviceMappings = []ec2types.InstanceBlockDeviceMapping{}
	},
	"productCodes":    func(_ *inst, out *ec2types.InstanceAttribute) { out.ProductCodes = []ec2types.ProductCode{} },
	"kernel":          func(_ *inst, out *ec2types.InstanceAttribute) { out.KernelId = &ec2types.AttributeValue{} },
	"ramdisk":         func(_ *inst, out *ec2types.InstanceAttribute) { out.RamdiskId = &ec2types.AttributeValue{} },
	"sriovNetSupport": func(_ *inst, out *ec2types.InstanceAttribute) { out.SriovNetSupport = &ec2types.AttributeValue{} },
	"groupSet":        func(in *inst, out *ec2types.InstanceAttribute) { out.Groups = in.groups() },
	"sourceDestCheck": func(in *inst, out *ec2types.InstanceAttribute) {
		out.SourceDestCheck = &ec2types.AttributeBooleanValue{}
		if p := in.primary(); p != nil {
			out.SourceDestCheck.Value = &p.SourceDestCheck
		}
	},
	"userData": func(in *inst, out *ec2types.InstanceAttribute) {
		out.UserData = &ec2types.AttributeValue{Value: optional(base64.StdEncoding.EncodeToString(in.UserData))}
	},
}

// modifyInstanceAttribute is section 6.3.
func (s *Service) modifyInstanceAttribute(c *awsapi.Call, in *ec2types.ModifyInstanceAttributeRequest) (func(context.Context) (*ec2types.ModifyInstanceAttributeResult, error), error) {
	if err := instanceID(in.InstanceId); err != nil {
		return nil, err
	}
	change, err := parseInstanceChange(in)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.ModifyInstanceAttributeResult, error) {
		return result[ec2types.ModifyInstanceAttributeResult](s.control.ModifyInstanceAttribute(ctx, c.Behalf(), *in.InstanceId, change))
	}, nil
}

// parseInstanceChange reads the one attribute that a request changes. The older
// form, a name in Attribute and a text in Value, means the same.
func parseInstanceChange(in *ec2types.ModifyInstanceAttributeRequest) (control.InstanceChange, error) {
	var change control.InstanceChange
	if deref(in.Attribute) != "" {
		if err := spellOut(in); err != nil {
			return change, err
		}
	}
	var given []string
	unsupported := false
	if len(in.Groups) > 0 {
		given, change.Groups = append(given, "groupSet"), in.Groups
	}
	for _, f := range []struct {
		name  string
		value *ec2types.AttributeBooleanValue
		field **bool // nil for what cannot be changed
	}{
		{"sourceDestCheck", in.SourceDestCheck, &change.SourceDestCheck},
		{"disableApiTermination", in.DisableApiTermination, &change.NoTermination},
		{"disableApiStop", in.DisableApiStop, &change.NoStop},
		{"ebsOptimized", in.EbsOptimized, &change.EBSOptimized},
		{"enaSupport", in.EnaSupport, nil},
	} {
		if f.value == nil || f.value.Value == nil {
			continue
		}
		if given = append(given, f.name); f.field == nil {
			unsupported = true
			continue
		}
		*f.field = f.value.Value
	}
	for _, f := range []struct {
		name  string
		value *ec2types.AttributeValue
		field **string
	}{
		{"instanceType", in.InstanceType, &change.Type},
		{"instanceInitiatedShutdownBehavior", in.InstanceInitiatedShutdownBehavior, &change.ShutdownBehavior},
		{"kernel", in.Kernel, nil}, {"ramdisk", in.Ramdisk, nil}, {"sriovNetSupport", in.SriovNetSupport, nil},
	} {
		if f.value == nil || f.value.Value == nil {
			continue
		}
		if given = append(given, f.name); f.field == nil {
			unsupported = true
			continue
		}
		*f.field = f.value.Value
	}
	if in.UserData != nil {
		given, change.UserData = append(given, "userData"), append([]byte{}, in.UserData.Value...)
	}
	if len(in.BlockDeviceMappings) > 0 {
		given, unsupported = append(given, "blockDeviceMapping"), true
	}
	if err := oneAttribute(given); err != nil {
		return change, err
	}
	if unsupported {
		return change, errUnsupported
	}
	for _, id := range in.Groups {
		if err := secgroup.CheckID(secgroup.GroupPrefix, id, badGroupID); err != nil {
			return change, err
		}
	}
	if len(change.UserData) > maxUserData {
		return change, secgroup.Errorf("InvalidParameterValue", "User data is limited to %d bytes", maxUserData)
	}
	return change, checkEnumeration("instanceInitiatedShutdownBehavior", deref(change.ShutdownBehavior), "ShutdownBehavior")
}

// spellOut turns Attribute and Value into the field that they stand for.
func spellOut(in *ec2types.ModifyInstanceAttributeRequest) error {
	value := deref(in.Value)
	flags := map[string]**ec2types.AttributeBooleanValue{
		"sourceDestCheck": &in.SourceDestCheck, "disableApiTermination": &in.DisableApiTermination,
		"disableApiStop": &in.DisableApiStop, "ebsOptimized": &in.EbsOptimized, "enaSupport": &in.EnaSupport,
	}
	texts := map[string]**ec2types.AttributeValue{
		"instanceType": &in.InstanceType, "instanceInitiatedShutdownBehavior": &in.InstanceInitiatedShutdownBehavior,
		"kernel": &in.Kernel, "ramdisk": &in.Ramdisk, "sriovNetSupport": &in.SriovNetSupport,
	}
	switch name := *in.Attribute; {
	case flags[name] != nil && (value == "true" || value == "false"):
		*flags[name] = flag(value == "true")
	case flags[name] != nil:
		return secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter value is invalid. Expecting true or false.", value)
	case texts[name] != nil:
		*texts[name] = text(value)
	case name == "userData":
		data, err := parseUserData(&value)
		if err != nil {
			return err
		}
		in.UserData = &ec2types.BlobAttributeValue{Value: data}
	default:
		return unknownAttribute(name)
	}
	return nil
}
