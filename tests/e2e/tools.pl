# SPDX-License-Identifier: LGPL-2.1-or-later
# tools.pl: what a program with Sys::Virt sees; URI DOMAIN COMMAND

use strict;
use warnings;
use Sys::Virt;

my ($uri, $name, $command) = @ARGV;

my %commands = (
    list => sub {
        my ($conn) = @_;
        print join(" ", sort map { $_->get_name } $conn->list_all_domains), "\n";
    },
    xml => sub {
        my ($conn) = @_;
        my $domain = $conn->get_domain_by_name($name);
        print $domain->get_xml_description(Sys::Virt::Domain::XML_INACTIVE);
    },
    info => sub {
        my ($conn) = @_;
        my $domain = $conn->get_domain_by_name($name);
        my $info = $domain->get_info;
        print "$info->{state} $info->{maxMem} $info->{nrVirtCpu} ",
              $domain->is_active ? 1 : 0, " ", $domain->get_uuid_string, "\n";
    },
    unknown => sub {
        my ($conn) = @_;
        eval { $conn->get_domain_by_name("nobody"); };
        print ref $@, " ", $@->level, " ", $@->code, " ", $@->domain, " ",
              $@->message, "\n";
    },
    snapshots => sub {
        my ($conn) = @_;
        my $domain = $conn->get_domain_by_name($name);
        print join(" ", sort map { $_->get_name } $domain->list_all_snapshots), " ",
              $domain->current_snapshot->get_name, "\n";
    },
    revert => sub {
        my ($conn) = @_;
        my $domain = $conn->get_domain_by_name($name);
        $domain->get_snapshot_by_name("one")->revert_to;
        print $domain->current_snapshot->get_name, "\n";
    },
    events => sub {
        my ($conn) = @_;
        my @seen;
        my $domain = $conn->get_domain_by_name($name);
        my $number = $conn->domain_event_register_any(
            $domain, Sys::Virt::Domain::EVENT_ID_LIFECYCLE,
            sub { push @seen, "$_[2] $_[3]"; });
        $domain->create(Sys::Virt::Domain::START_PAUSED);
        $domain->destroy;
        while (@seen < 4) { # the test ends it if they do not come
            Sys::Virt::Event::run_default;
        }
        $conn->domain_event_deregister_any($number);
        print join(", ", @seen), "\n";
    },
);

Sys::Virt::Event::register_default() if $command eq "events";
$commands{$command}->(Sys::Virt->new(uri => $uri));
