# The template is the one definition of what flowwatch needs; this module hands
# it to AWS with Terraform's variables. README.md says why.
resource "aws_cloudformation_stack" "flowwatch" {
  name          = var.name
  template_body = file("${path.module}/../cloudformation/flowwatch.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  on_failure    = "ROLLBACK"
  tags          = var.tags

  parameters = {
    VpcId                     = var.vpc_id
    SubnetIds                 = join(",", var.subnet_ids)
    AssignPublicIp            = var.assign_public_ip
    Image                     = var.image
    Architecture              = var.architecture
    Size                      = var.size
    ClusterName               = var.cluster_name
    Source                    = var.source
    LogFormat                 = var.log_format
    AggregationInterval       = var.aggregation_interval
    LogRetentionDays          = var.log_retention_days
    ExistingStreamArn         = var.existing_stream_arn
    StreamKeyArn              = var.stream_key_arn
    StreamAlarms              = var.stream_alarms
    Consumer                  = var.consumer
    ExistingBucket            = var.existing_bucket
    DomainName                = var.domain_name
    PublicSubnetIds           = join(",", var.public_subnet_ids)
    HostedZoneId              = var.hosted_zone_id
    CertificateArn            = var.certificate_arn
    FirehoseCidr              = var.firehose_cidr
    InternalNetworks          = var.internal_networks
    Rules                     = var.rules
    FindingsEmail             = var.findings_email
    AlarmEmail                = var.alarm_email
    SlackWebhookArn           = var.slack_webhook_arn
    PrometheusSecurityGroupId = var.prometheus_security_group_id
    StatusSecurityGroupId     = var.status_security_group_id
    AmpWorkspaceId            = var.amp_workspace_id
    AdotImage                 = var.adot_image
  }
}
