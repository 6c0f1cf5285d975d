# SPDX-License-Identifier: Apache-2.0

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = var.second ? "out" : "gateway" }
}

# Routes inside the table.
resource "aws_route_table" "inline" {
  vpc_id = aws_vpc.main.id

  route {
    cidr_block = var.second ? "198.51.100.0/24" : "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }
  tags = { Name = "inline" }
}

resource "aws_route_table_association" "a" {
  subnet_id      = aws_subnet.a.id
  route_table_id = var.second ? aws_route_table.separate.id : aws_route_table.inline.id
}

# Routes beside the table.
resource "aws_route_table" "separate" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route" "out" {
  route_table_id         = aws_route_table.separate.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_route" "far" {
  route_table_id            = aws_route_table.separate.id
  destination_cidr_block    = "10.72.0.0/16"
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.far.id
}

resource "aws_eip" "joined" {
  domain     = "vpc"
  tags       = { Name = var.second ? "public" : "joined" }
  depends_on = [aws_internet_gateway.main]
}

resource "aws_eip_association" "joined" {
  allocation_id        = aws_eip.joined.id
  network_interface_id = aws_network_interface.joined.id
}

# An interface with blocks of addresses.
resource "aws_network_interface" "prefixes" {
  subnet_id     = aws_subnet.a.id
  private_ips   = ["10.70.1.40"]
  ipv4_prefixes = var.second ? ["10.70.1.64/28", "10.70.1.80/28"] : ["10.70.1.64/28"]
}
