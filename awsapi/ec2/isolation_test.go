// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/awsapi/wire"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// idForm is what every identifier of a resource looks like.
var idForm = regexp.MustCompile(`\b[a-z]+(-[a-z]+)*-[0-9a-f]{17}\b`)

// holdings returns what an account has, as the store would keep it, and the ids
// in it by prefix.
func holdings(t *testing.T, snap *model.Snapshot, account string) (text string, ids map[string][]string) {
	t.Helper()
	var out strings.Builder
	tables := reflect.ValueOf(snap).Elem()
	for i := range tables.NumField() {
		all := tables.Field(i).Addr().MethodByName("All")
		if !tables.Type().Field(i).IsExported() || !all.IsValid() {
			continue
		}
		var lines []string
		for row := range all.Call(nil)[0].Seq() {
			b, err := json.Marshal(row.Interface())
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(b))
		}
		slices.Sort(lines)
		for _, line := range lines {
			out.WriteString(tables.Type().Field(i).Name + " " + line + "\n")
		}
	}
	ids = map[string][]string{}
	seen := map[string]bool{}
	for line := range strings.SplitSeq(out.String(), "\n") {
		if !strings.Contains(line, `"account":"`+account+`"`) {
			continue
		}
		text += line + "\n"
		for _, id := range idForm.FindAllString(line, -1) {
			if prefix := id[:strings.LastIndexByte(id, '-')]; !seen[id] {
				seen[id] = true
				ids[prefix] = append(ids[prefix], id)
			}
		}
	}
	return text, ids
}

// writeForm writes a request as clients send it.
func writeForm(values url.Values, name string, v reflect.Value, value *wire.Value) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch value.Kind {
	case wire.List:
		for i := range v.Len() {
			writeForm(values, fmt.Sprintf("%s.%d", name, i+1), v.Index(i), value.Elem)
		}
	case wire.Struct:
		for _, f := range value.Struct.Fields {
			inner := f.Name
			if name != "" {
				inner = name + "." + f.Name
			}
			writeForm(values, inner, v.Field(f.Index), f.Value)
		}
	case wire.String:
		if v.String() != "" {
			values.Set(name, v.String())
		}
	case wire.Int32, wire.Int64, wire.Bool:
		values.Set(name, fmt.Sprint(v.Interface()))
	}
}

// post signs and sends a request, and returns status, code and body.
func (r *rig) post(t *testing.T, key *secgroup.AccessKey, action string, in any) (int, string, string) {
	t.Helper()
	values := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	v := reflect.ValueOf(in).Elem()
	writeForm(values, "", v, &wire.Value{Kind: wire.Struct, Struct: wire.ShapeOf(v.Type(), wire.In)})
	status, answer := r.send(t, key, values)
	var e struct {
		Code string `xml:"Errors>Error>Code"`
	}
	if err := xml.Unmarshal([]byte(answer), &e); err != nil {
		t.Fatalf("%s: %v: %s", action, err, answer)
	}
	return status, e.Code, answer
}

// fields says which ids go where no resource type is in a field's name.
var fields = map[string]string{
	"Groups": "sg", "GroupIds": "sg", "GroupId": "sg", "SecurityGroupIds": "sg", "SecurityGroupId": "sg", "ReferencedGroupId": "sg",
	"SecurityGroupRuleIds": "sgr", "SecurityGroupRuleId": "sgr", "PeerVpcId": "vpc", "AttachmentId": "eni-attach",
	"NetworkInterfaceId": "eni", "NetworkInterfaceIds": "eni", "LaunchTemplateId": "lt", "LaunchTemplateIds": "lt",
	"PrefixListId": "pl", "PrefixListIds": "pl", "RouteTableIds": "rtb", "NetworkAclIds": "acl", "DhcpOptionsIds": "dopt", "DhcpOptionsId": "dopt",
	"NatGatewayId": "nat", "NatGatewayIds": "nat",
	"InstanceId": "i", "InstanceIds": "i", "SubnetId": "subnet", "SubnetIds": "subnet", "VpcId": "vpc", "VpcIds": "vpc",
}

// plain are values for what is no id, so that calls come as far as looking.
var plain = map[string]string{
	"CidrBlock": "10.9.0.0/16", "Cidr": "10.9.0.0/16", "CidrIp": "10.9.0.0/16", "CidrIpv4": "10.9.0.0/16", "IpProtocol": "-1",
	"Description": "changed by a stranger", "GroupDescription": "of a stranger", "GroupName": "stranger", "ImageId": "ami-12345678",
	"LaunchTemplateName": "stranger", "PrefixListName": "stranger", "AddressFamily": "IPv4", "Attribute": "instanceType",
	"SourceLaunchTemplateVersion": "1", "DefaultVersion": "1", "Key": "owner", "Value": "stranger",
}

// strangersRequest returns a request of an operation in which everything that can
// name a resource names one of somebody else. only narrows the resources to one
// field, for operations that take exclusive parameters.
func strangersRequest(name string, ids map[string][]string, only string) any {
	in := ec2types.Model.Operations[name].NewInput()
	fillTexts(in, func(field string) string {
		switch field {
		case "Resources":
			if only == "" || only == field {
				return ids["vpc"][0]
			}
		case "Key", "Value":
			if strings.HasSuffix(name, "Tags") {
				return "owner"
			}
		case "IpProtocol":
			return "-1"
		case "CidrIp":
			return "10.9.0.0/16"
		}
		if prefix, ok := fields[field]; ok {
			if only != "" && only != field || len(ids[prefix]) == 0 {
				return ""
			}
			return ids[prefix][0]
		}
		return ""
	})
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		setPlain(name, v.Type().Field(i), v.Field(i))
	}
	return in
}

// setPlain gives a field of a request a value that names nothing, where the
// operation cannot do without.
func setPlain(name string, f reflect.StructField, field reflect.Value) {
	if field.Kind() != reflect.Pointer {
		return
	}
	rule := f.Tag.Get("rule")
	required := strings.HasPrefix(rule, "required")
	creates := strings.HasPrefix(name, "Create")
	switch kind := field.Type().Elem().Kind(); {
	case kind == reflect.String && (f.Name == "IpProtocol" || f.Name == "CidrIp"):
		field.SetZero() // the list of permissions says it
	case kind == reflect.String && field.IsNil():
		value, ok := plain[f.Name]
		if ok && !required && !creates && (strings.HasSuffix(f.Name, "Name") || strings.HasSuffix(f.Name, "Cidr")) {
			return
		}
		if _, enum, has := strings.Cut(rule, "enum="); has && required {
			enum, _, _ = strings.Cut(enum, ",")
			value, ok = ec2types.Enumerations[enum][0], true
		}
		if ok && (required || creates || !enumerated(rule)) {
			field.Set(reflect.ValueOf(&value))
		}
	case kind == reflect.Int32 && (required || f.Name == "Ipv6AddressCount" || f.Name == "SecondaryPrivateIpAddressCount") && field.IsNil():
		field.Set(reflect.ValueOf(new(int32(1))))
	case kind == reflect.Bool && f.Name == "SourceDestCheck":
		field.Set(reflect.ValueOf(new(true)))
	case kind == reflect.Struct && field.IsNil() && (f.Name == "EnableDnsSupport" || f.Name == "MapPublicIpOnLaunch" || f.Name == "DisableApiStop"):
		field.Set(reflect.New(field.Type().Elem()))
		field.Elem().FieldByName("Value").Set(reflect.ValueOf(new(true)))
	case kind == reflect.Int64 && required:
		field.Set(reflect.ValueOf(new(int64(1))))
	}
}

// enumerated reports whether a rule names an enumeration.
func enumerated(rule string) bool { return strings.Contains(rule, "enum=") }

// namingFields returns the fields of a request that can name a resource.
func namingFields(name string) []string {
	var found []string
	in := ec2types.Model.Operations[name].NewInput()
	fillTexts(in, func(field string) string {
		if (fields[field] != "" || field == "Resources") && !slices.Contains(found, field) {
			found = append(found, field)
		}
		return ""
	})
	return found
}

// Every operation that the installation offers is tried by one account with the
// resources of another: nothing of the other's is shown and nothing of it changes.
func TestAccountsAreApart(t *testing.T) {
	r := newRig(t, control.Config{Images: []control.Image{{ID: "ami-12345678"}}})
	ctx := t.Context()
	vpc := must(r.CreateVpc(ctx, &sdk.CreateVpcInput{CidrBlock: aws.String("10.7.0.0/16")}))(t).Vpc.VpcId
	subnet := must(r.CreateSubnet(ctx, &sdk.CreateSubnetInput{VpcId: vpc, CidrBlock: aws.String("10.7.1.0/24")}))(t).Subnet.SubnetId
	group := must(r.CreateSecurityGroup(ctx, &sdk.CreateSecurityGroupInput{
		GroupName: aws.String("private"), Description: aws.String("d"), VpcId: vpc,
		TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "security-group", Tags: []sdktypes.Tag{{Key: aws.String("owner"), Value: aws.String("me")}}}},
	}))(t).GroupId
	must(r.AuthorizeSecurityGroupIngress(ctx, &sdk.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: []sdktypes.IpPermission{{IpProtocol: aws.String("-1"), IpRanges: []sdktypes.IpRange{{CidrIp: aws.String("10.9.0.0/16")}}}}}))(t)
	must(r.CreateNetworkInterface(ctx, &sdk.CreateNetworkInterfaceInput{SubnetId: subnet, Groups: []string{*group}}))(t)
	must(r.RunInstances(ctx, &sdk.RunInstancesInput{ImageId: aws.String("ami-12345678"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), SubnetId: subnet}))(t)
	must(r.CreateManagedPrefixList(ctx, &sdk.CreateManagedPrefixListInput{PrefixListName: aws.String("private"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(5)}))(t)
	address := must(r.AllocateAddress(ctx, &sdk.AllocateAddressInput{Domain: "vpc"}))(t).AllocationId
	public := must(r.DescribeSubnets(ctx, &sdk.DescribeSubnetsInput{Filters: []sdktypes.Filter{where("default-for-az", "true")}}))(t).Subnets[0].SubnetId
	must(r.CreateNatGateway(ctx, &sdk.CreateNatGatewayInput{SubnetId: public, AllocationId: address}))(t)
	must(r.CreateVpcEndpoint(ctx, &sdk.CreateVpcEndpointInput{
		VpcId: vpc, VpcEndpointType: "Interface", ServiceName: aws.String("com.amazonaws.us-east-1.appstream.api"), SubnetIds: []string{*subnet},
	}))(t)
	must(r.CreateInternetGateway(ctx, &sdk.CreateInternetGatewayInput{}))(t)
	must(r.CreateLaunchTemplate(ctx, &sdk.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("private"), LaunchTemplateData: &sdktypes.RequestLaunchTemplateData{SecurityGroupIds: []string{*group}}}))(t)

	const other = "444455556666"
	if _, err := r.control.CreateAccount(ctx, other); err != nil {
		t.Fatal(err)
	}
	if _, err := r.control.CreateUser(ctx, other, "stranger", []string{control.AdministratorPolicy}); err != nil {
		t.Fatal(err)
	}
	key, err := r.control.CreateAccessKey(ctx, other, "stranger")
	if err != nil {
		t.Fatal(err)
	}
	before, ids := holdings(t, r.control.Read(), r.key.Account)
	for _, prefix := range []string{"vpc", "subnet", "sg", "sgr", "eni", "eni-attach", "i", "pl", "lt", "eipalloc", "igw", "vpce", "nat"} {
		if len(ids[prefix]) == 0 {
			t.Fatalf("there is no %s to be tried: %v", prefix, ids)
		}
	}
	exact := exactRequests(ids)
	looked, calls := map[string]bool{}, 0
	for _, name := range New(r.control).Offered() {
		requests := slices.Clone(exact[name])
		for _, only := range append([]string{"nothing", ""}, namingFields(name)...) {
			requests = append(requests, strangersRequest(name, ids, only))
		}
		for _, in := range requests {
			asked, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			status, code, body := r.post(t, key, name, in)
			calls++
			if status >= 500 {
				t.Errorf("%s with %s: %d %s", name, asked, status, body)
			}
			if strings.Contains(code, "NotFound") {
				looked[name] = true
			}
			if status == http.StatusOK {
				for _, list := range ids {
					for _, id := range list {
						if strings.Contains(body, id) && !strings.Contains(string(asked), id) {
							t.Errorf("%s with %s shows %s: %s", name, asked, id, body)
						}
					}
				}
			}
			if after, _ := holdings(t, r.control.Read(), r.key.Account); after != before {
				t.Fatalf("%s with %s changes what another account has (%d %s):\n%s\nwas\n%s", name, asked, status, body, after, before)
			}
		}
		if fields := namingFields(name); len(fields) > 0 && looked[name] == (looksAtNothing[name] != "") {
			t.Errorf("%s names resources by %q and was refused because they are another's: %v, want %v", name, fields, looked[name], !looked[name])
		}
	}
	t.Logf("%d calls, %d operations looked for what is another's", calls, len(looked))
}
