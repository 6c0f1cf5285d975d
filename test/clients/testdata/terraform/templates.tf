# SPDX-License-Identifier: Apache-2.0

resource "aws_launch_template" "main" {
  name                   = "clients"
  image_id               = "ami-netns"
  instance_type          = var.second ? "t3.small" : "t3.micro"
  update_default_version = true
  vpc_security_group_ids = [aws_security_group.plain.id]

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "of a template" }
  }
  tags = { Name = var.second ? "clients-2" : "clients" }
}

resource "aws_launch_template" "interfaces" {
  name_prefix = "interfaces-"

  network_interfaces {
    device_index    = 0
    subnet_id       = aws_subnet.a.id
    security_groups = var.second ? [aws_security_group.plain.id] : [aws_security_group.inline.id]
  }
}

resource "aws_instance" "template" {
  subnet_id = aws_subnet.b.id
  tags      = { Name = "of a template" } # the provider takes a template's tags for drift

  launch_template {
    id      = aws_launch_template.main.id
    version = "1"
  }
}
