# The parameters of the CloudFormation template, in its order; a test compares
# names, types and defaults. Their patterns are checked when the stack is made.

variable "name" {
  description = "Name of the stack, and of what it makes."
  type        = string
  default     = "flowwatch"
}

variable "tags" {
  description = "Tags of the stack, which its resources take over."
  type        = map(string)
  default     = {}
}

variable "vpc_id" {
  description = "The VPC in which the task runs. Its traffic is logged, unless an existing stream or bucket is given."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of that VPC for the task. They need a way to the AWS APIs - a NAT gateway, VPC endpoints, or public subnets with AssignPublicIp ENABLED."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "ENABLED for public subnets without a NAT gateway. Nothing is let in by that address."
  type        = string
  default     = "DISABLED"

  validation {
    condition     = contains(["DISABLED", "ENABLED"], var.assign_public_ip)
    error_message = "Accepted: DISABLED, ENABLED."
  }
}

variable "image" {
  description = "The container image with its tag or digest, for the architecture below, in a registry that the task can reach."
  type        = string
}

variable "architecture" {
  description = "ARM64 or X86_64, as the image is."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "Accepted: ARM64, X86_64."
  }
}

variable "size" {
  description = "small is 0.5 vCPU and 1 GB, medium 1 vCPU and 2 GB, large 2 vCPU and 4 GB."
  type        = string
  default     = "small"

  validation {
    condition     = contains(["small", "medium", "large"], var.size)
    error_message = "Accepted: small, medium, large."
  }
}

variable "cluster_name" {
  description = "An existing ECS cluster; empty makes one."
  type        = string
  default     = ""
}

variable "source" {
  description = "kinesis goes through CloudWatch Logs; firehose and s3 are delivered directly, for half the price of delivery."
  type        = string
  default     = "kinesis"

  validation {
    condition     = contains(["kinesis", "firehose", "s3"], var.source)
    error_message = "Accepted: kinesis, firehose, s3."
  }
}

variable "log_format" {
  description = "Fields of the flow log. More may be added; a change replaces the flow log."
  type        = string
  default     = "$${account-id} $${action} $${az-id} $${bytes} $${dstaddr} $${dstport} $${end} $${flow-direction} $${instance-id} $${interface-id} $${log-status} $${packets} $${pkt-dst-aws-service} $${pkt-dstaddr} $${pkt-src-aws-service} $${pkt-srcaddr} $${protocol} $${region} $${srcaddr} $${srcport} $${start} $${sublocation-id} $${sublocation-type} $${subnet-id} $${tcp-flags} $${traffic-path} $${type} $${version} $${vpc-id}"
}

variable "aggregation_interval" {
  description = "Seconds. 600 gives fewer records and later, coarser findings; instances on Nitro are logged every 60 s in either case."
  type        = number
  default     = 60

  validation {
    condition     = contains([60, 600], var.aggregation_interval)
    error_message = "Accepted: 60, 600."
  }
}

variable "log_retention_days" {
  description = "Of raw flow logs (CloudWatch Logs or S3) and of flowwatch's own log."
  type        = number
  default     = 7

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 180, 365], var.log_retention_days)
    error_message = "Accepted: 1, 3, 5, 7, 14, 30, 60, 90, 180, 365."
  }
}

variable "existing_stream_arn" {
  description = "A Kinesis stream that flow logs come through already; then no flow log is made. LogFormat has to be theirs."
  type        = string
  default     = ""
}

variable "stream_key_arn" {
  description = "The KMS key of that stream, if it is a customer managed one."
  type        = string
  default     = ""
}

variable "stream_alarms" {
  description = "off for a stream of another account, whose CloudWatch metrics are not in this one."
  type        = string
  default     = "on"

  validation {
    condition     = contains(["on", "off"], var.stream_alarms)
    error_message = "Accepted: on, off."
  }
}

variable "consumer" {
  description = "fan_out is enhanced fan-out, for a stream that others read as well."
  type        = string
  default     = "polling"

  validation {
    condition     = contains(["polling", "fan_out"], var.consumer)
    error_message = "Accepted: polling, fan_out."
  }
}

variable "existing_bucket" {
  description = "A bucket that holds flow logs already (source s3); then no flow log is made. Send its notifications to the queue of the outputs."
  type        = string
  default     = ""
}

variable "domain_name" {
  description = "Name of the public endpoint that Firehose calls, like flowwatch.example.com."
  type        = string
  default     = ""
}

variable "public_subnet_ids" {
  description = "Two public subnets in different availability zones, for the load balancer."
  type        = list(string)
  default     = []
}

variable "hosted_zone_id" {
  description = "The public Route 53 zone of DomainName. Empty means that you point DomainName at the load balancer yourself."
  type        = string
  default     = ""
}

variable "certificate_arn" {
  description = "An ACM certificate for DomainName. Empty makes one, which needs HostedZoneId."
  type        = string
  default     = ""
}

variable "firehose_cidr" {
  description = "Who reaches the load balancer. AWS lists Firehose's addresses by region; the access key is what protects the endpoint."
  type        = string
  default     = "0.0.0.0/0"
}

variable "internal_networks" {
  description = "networks.internal, your own addresses."
  type        = string
  default     = "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7"
}

variable "rules" {
  description = "Key rules of the configuration in one line of YAML, like {spike: {profile: sensitive}, scan.external: {enabled: false}}."
  type        = string
  default     = "{}"
}

variable "findings_email" {
  description = "Who gets findings by mail. The topic is in the outputs for other subscribers."
  type        = string
  default     = ""
}

variable "alarm_email" {
  description = "Who is told that flowwatch itself is in trouble."
  type        = string
  default     = ""
}

variable "slack_webhook_arn" {
  description = "A secret in Secrets Manager whose whole text is the URL of a Slack incoming webhook. It is encrypted with the default key of Secrets Manager."
  type        = string
  default     = ""
}

variable "prometheus_security_group_id" {
  description = "Security group of a Prometheus that may scrape port 9464. A private DNS name is made for it."
  type        = string
  default     = ""
}

variable "status_security_group_id" {
  description = "Security group that may open the status page, port 9465, without authentication. Empty leaves it on loopback."
  type        = string
  default     = ""
}

variable "amp_workspace_id" {
  description = "A workspace of Amazon Managed Service for Prometheus in this region. An ADOT sidecar writes the metrics there."
  type        = string
  default     = ""
}

variable "adot_image" {
  description = "The image of the sidecar."
  type        = string
  default     = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.0"
}
