// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/netip"
	"strconv"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// filteredVersion is a version in the form in which results show it, which is
// what its filters compare.
type filteredVersion struct {
	templateVersion
	shown ec2types.LaunchTemplateVersion
}

func newFilteredVersion(v templateVersion) (*filteredVersion, error) {
	shown, err := showTemplateVersion(v)
	return &filteredVersion{v, shown}, err
}

// dataText adapts a text of the data to a filter: absent is none.
func dataText(of func(*ec2types.ResponseLaunchTemplateData) *string) func(*filteredVersion) []string {
	return some(func(v *filteredVersion) string { return deref(of(v.shown.LaunchTemplateData)) })
}

// metadataText is dataText for the metadata options.
func metadataText(of func(*ec2types.LaunchTemplateInstanceMetadataOptions) *string) func(*filteredVersion) []string {
	return dataText(func(d *ec2types.ResponseLaunchTemplateData) *string {
		if d.MetadataOptions == nil {
			return nil
		}
		return of(d.MetadataOptions)
	})
}

var versionFilters = filters[filteredVersion]{names: map[string]func(*filteredVersion) []string{
	"create-time": one(func(v *filteredVersion) string { return timeText(*v.shown.CreateTime) }),
	"ebs-optimized": one(func(v *filteredVersion) string {
		return strconv.FormatBool(deref(v.shown.LaunchTemplateData.EbsOptimized))
	}),
	"http-endpoint":      metadataText(func(m *ec2types.LaunchTemplateInstanceMetadataOptions) *string { return m.HttpEndpoint }),
	"http-protocol-ipv6": metadataText(func(m *ec2types.LaunchTemplateInstanceMetadataOptions) *string { return m.HttpProtocolIpv6 }),
	"http-tokens":        metadataText(func(m *ec2types.LaunchTemplateInstanceMetadataOptions) *string { return m.HttpTokens }),
	"iam-instance-profile": dataText(func(d *ec2types.ResponseLaunchTemplateData) *string {
		if d.IamInstanceProfile == nil {
			return nil
		}
		return cmp.Or(d.IamInstanceProfile.Arn, d.IamInstanceProfile.Name)
	}),
	"image-id":           dataText(func(d *ec2types.ResponseLaunchTemplateData) *string { return d.ImageId }),
	"instance-type":      dataText(func(d *ec2types.ResponseLaunchTemplateData) *string { return d.InstanceType }),
	"is-default-version": one(func(v *filteredVersion) string { return strconv.FormatBool(*v.shown.DefaultVersion) }),
	"kernel-id":          dataText(func(d *ec2types.ResponseLaunchTemplateData) *string { return d.KernelId }),
	"ram-disk-id":        dataText(func(d *ec2types.ResponseLaunchTemplateData) *string { return d.RamDiskId }),
}}

// getLaunchTemplateData describes a launch that would make an instance like the
// one named, its addresses included.
func (s *Service) getLaunchTemplateData(c *awsapi.Call, in *ec2types.GetLaunchTemplateDataRequest) (func(context.Context) (*ec2types.GetLaunchTemplateDataResult, error), error) {
	if err := instanceID(in.InstanceId); err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.GetLaunchTemplateDataResult, error) {
		snap := s.control.Read()
		rows, err := control.Instances(snap, c.Scope(), *in.InstanceId)
		if err != nil {
			return nil, err
		}
		return &ec2types.GetLaunchTemplateDataResult{LaunchTemplateData: view(snap, rows[0]).template()}, nil
	}, nil
}

func (in *inst) template() *ec2types.ResponseLaunchTemplateData {
	o := in.Options
	out := &ec2types.ResponseLaunchTemplateData{
		ImageId: &in.Image, InstanceType: &in.Type, KeyName: optional(in.KeyName),
		UserData:  optional(base64.StdEncoding.EncodeToString(in.UserData)),
		Placement: &ec2types.LaunchTemplatePlacement{AvailabilityZone: &in.Zone, Tenancy: new("default")}, DisableApiStop: &o.NoStop, DisableApiTermination: &o.NoTermination,
		EbsOptimized: &o.EBSOptimized, Monitoring: &ec2types.LaunchTemplatesMonitoring{Enabled: &o.Monitoring},
		InstanceInitiatedShutdownBehavior: new(cmp.Or(o.ShutdownBehavior, "stop")),
		NetworkInterfaces:                 each(in.interfaces, (*iface).template),
	}
	m := ec2types.LaunchTemplateInstanceMetadataOptions{
		HttpTokens: optional(o.MetadataTokens), HttpEndpoint: optional(o.MetadataEndpoint), HttpProtocolIpv6: optional(o.MetadataIPv6),
		InstanceMetadataTags: optional(o.MetadataTags), HttpPutResponseHopLimit: optional(o.MetadataHopLimit),
	}
	if m != (ec2types.LaunchTemplateInstanceMetadataOptions{}) {
		out.MetadataOptions = &m
	}
	if own := in.Tags.Without(secgroup.Tag.Reserved); len(own) > 0 {
		out.TagSpecifications = []ec2types.LaunchTemplateTagSpecification{{ResourceType: new(control.InstanceType), Tags: tagSet(own)}}
	}
	return out
}

func (i *iface) template() ec2types.LaunchTemplateInstanceNetworkInterfaceSpecification {
	out := ec2types.LaunchTemplateInstanceNetworkInterfaceSpecification{
		DeviceIndex: new(int32(i.Attachment.DeviceIndex)), DeleteOnTermination: new(i.Attachment.DeleteOnTermination),
		Description: optional(i.Description), SubnetId: &i.Subnet, Groups: i.Groups,
	}
	for n, a := range i.Addresses {
		out.PrivateIpAddresses = append(out.PrivateIpAddresses, ec2types.PrivateIpAddressSpecification{PrivateIpAddress: new(a.String()), Primary: new(n == 0)})
	}
	if len(i.IPv6) > 0 {
		out.Ipv6Addresses = each(i.IPv6, func(a netip.Addr) ec2types.InstanceIpv6Address {
			return ec2types.InstanceIpv6Address{Ipv6Address: new(a.String())}
		})
	}
	if t := i.Tracking; t != nil {
		out.ConnectionTrackingSpecification = &ec2types.ConnectionTrackingSpecification{
			TcpEstablishedTimeout: optional(int32(t.TCPEstablished)), UdpStreamTimeout: optional(int32(t.UDPStream)), UdpTimeout: optional(int32(t.UDP)),
		}
	}
	return out
}
