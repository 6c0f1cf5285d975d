# SPDX-License-Identifier: Apache-2.0

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {}

variable "second" {
  type    = bool
  default = false
}

resource "aws_vpc" "main" {
  cidr_block = "10.98.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.98.1.0/24"
}

resource "aws_security_group" "g" {
  count  = 2
  name   = "fleet-${count.index}"
  vpc_id = aws_vpc.main.id
}

# Changed while it runs: the provider stops it, updates it and starts it.
resource "aws_appstream_fleet" "running" {
  name          = "tf-running"
  instance_type = "stream.standard.small"
  image_name    = "AppStream-WinServer2022-11-03-2025"
  fleet_type    = "ALWAYS_ON"
  description   = var.second ? "second" : "first"

  compute_capacity {
    desired_instances = 1
  }

  vpc_config {
    subnet_ids         = [aws_subnet.a.id]
    security_group_ids = [aws_security_group.g[var.second ? 1 : 0].id]
  }

  tags = {
    team = var.second ? "blue" : "red"
  }
}

resource "aws_appstream_stack" "main" {
  name         = "tf-stack"
  display_name = var.second ? "second" : "first"
  description  = "through Terraform"

  storage_connectors {
    connector_type = "HOMEFOLDERS"
  }

  user_settings {
    action     = "CLIPBOARD_COPY_FROM_LOCAL_DEVICE"
    permission = "ENABLED"
  }
  user_settings {
    action     = "CLIPBOARD_COPY_TO_LOCAL_DEVICE"
    permission = var.second ? "DISABLED" : "ENABLED"
  }
  user_settings {
    action     = "FILE_DOWNLOAD"
    permission = "DISABLED"
  }
  user_settings {
    action     = "FILE_UPLOAD"
    permission = "ENABLED"
  }
  user_settings {
    action     = "PRINTING_TO_LOCAL_DEVICE"
    permission = "ENABLED"
  }

  application_settings {
    enabled        = true
    settings_group = "SettingsGroup"
  }
}

resource "aws_appstream_fleet_stack_association" "main" {
  fleet_name = aws_appstream_fleet.running.name
  stack_name = aws_appstream_stack.main.name
}

resource "aws_appstream_image_builder" "main" {
  name          = "tf-builder"
  instance_type = "stream.standard.medium"
  image_name    = "AppStream-WinServer2022-11-03-2025"
  display_name  = "shown"

  vpc_config {
    subnet_ids         = [aws_subnet.a.id]
    security_group_ids = [aws_security_group.g[0].id]
  }

  tags = {
    team = var.second ? "blue" : "red"
  }
}
