use super::*;

fn read(text: &str) -> RunCommand {
    run_command(text)
        .unwrap_or_else(|| panic!("no command: {text}"))
        .unwrap_or_else(|why| panic!("{text}: {why:?}"))
}

fn pairs(run: &RunCommand) -> Vec<(&str, &str)> {
    run.variables.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect()
}

fn mounts(run: &RunCommand) -> Vec<String> {
    run.volumes.iter().map(|mount| format!("{}:{}", mount.volume, mount.path)).collect()
}

fn ports(run: &RunCommand) -> Vec<u16> {
    run.ports.iter().map(|port| port.get()).collect()
}

#[test]
fn a_command_says_what_a_service_is_told() {
    let run = read(
        "docker run -d --name My_Web --restart unless-stopped -e DB_PASSWORD=pw1 -p 8080:80 -v data:/data -m 512m --cpus 1.5 \
         --pids-limit 100 --stop-timeout 20 ghcr.io/acme/web:1 serve --all 'of it'",
    );
    assert_eq!(run.image, "ghcr.io/acme/web:1");
    assert_eq!(run.name.as_ref().map(Name::as_str), Some("my-web"), "the nearest name");
    assert_eq!(pairs(&run), [("DB_PASSWORD", "pw1")]);
    assert_eq!((ports(&run), mounts(&run)), (vec![80], vec!["data:/data".to_owned()]));
    assert_eq!((run.memory_bytes, run.cpu_millis), (Some(512 << 20), Some(1500)));
    assert_eq!((run.pids, run.stop_grace_seconds), (Some(100), Some(20)));
    assert_eq!(run.restart, Some(RestartPolicy::Always));
    assert_eq!(run.command.as_deref(), Some(&["serve", "--all", "of it"].map(str::to_owned)[..]));
    assert_eq!(run.left, Vec::<String>::new());
}

#[test]
fn an_option_is_read_however_it_is_written() {
    for text in [
        "docker run -e A=b -p 8080:80/tcp nginx",
        "docker run -eA=b -p8080:80/tcp nginx",
        "docker run -e=A=b -p=8080:80 nginx",
        "docker run --env=A=b --publish=8080:80 nginx",
        "docker run --env A=b --publish 127.0.0.1:8080:80 nginx",
        "docker run -itdp 80 -e 'A=b' nginx",
        "docker run -dp 80:80 -e \"A=b\" \"nginx\"",
        "docker run --expose 80 -p [::1]:8080:80 -e A='b' -- nginx",
        "docker run \\\n  -e A=b \\\n  -p 80:80 \\\n  nginx",
        "docker run \\  -e A=b \\  -p 80:80 \\  nginx",
        "$ sudo -E docker container run -e A=x -e A=b -p 80:80 nginx && echo done",
        "DOCKER_HOST=x /usr/bin/docker --context far -D run -e A=b -p 80:80 nginx # a note",
        "podman --log-level=debug create -e A=b -p 80:80 nginx | cat",
    ] {
        let run = read(text);
        assert_eq!(
            (run.image.as_str(), pairs(&run), ports(&run)),
            ("nginx", vec![("A", "b")], vec![80]),
            "{text}"
        );
        assert_eq!((run.command, run.left), (None, Vec::<String>::new()), "{text}");
    }
}

#[test]
fn a_command_is_found_behind_whatever_stands_before_it() {
    for text in [
        "sudo -u deploy docker run -e PW=x nginx",
        "cd /srv/app && docker run -e PW=x nginx",
        "export OTHER=y; docker run -e PW=x nginx",
        "# start it\ndocker run -e PW=x nginx",
        "doas docker run -e PW=x nginx",
        "nohup docker run -e PW=x nginx &",
        "winpty docker run -e PW=x nginx",
        "docker.exe run -e PW=x nginx",
        "'C:\\bin\\docker.exe' run -e PW=x nginx",
        "PS C:\\> docker run -e PW=x nginx",
        "ID=$(docker run -e PW=x nginx)",
        "docker pull nginx; docker network create back; docker run -e PW=x nginx",
        "sudo systemctl start docker && docker run -e PW=x nginx",
    ] {
        let run = read(text);
        assert_eq!((run.image.as_str(), pairs(&run)), ("nginx", vec![("PW", "x")]), "{text}");
    }
}

#[test]
fn of_what_may_be_a_command_only_the_beginning_is_told() {
    for (text, told) in [
        ("nginx:1", "nginx:1"),
        ("acme/my-web@sha256:12", "acme/my-web@sha256:12"),
        ("two words", "two words"),
        ("docker-compose run -e PW=hunter2 web", "docker-compose …"),
        ("sudo -u deploy docker login -p hunter2", "sudo …"),
        ("PW=hunter2 ./start", "PW …"),
        ("docker compose run -e PW=hunter2 web", "docker compose run …"),
        ("sh -c \"docker run -e PW=hunter2", "sh …"),
    ] {
        assert_eq!(tellable(text), told);
        assert_eq!(tellable(told), told, "again");
        let error =
            text.parse::<crate::Reference>().map_or_else(|error| format!("{error:?}"), |_| String::new());
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn what_no_service_is_told_is_named_by_its_option_and_never_by_its_value() {
    for (option, left) in [
        ("--env-file hunter2", "`--env-file`"),
        ("--env-file=hunter2", "`--env-file`"),
        ("-v /hunter2:/data", "`--volume` of a folder of the machine"),
        ("-v ./hunter2:/data", "`--volume` of a folder of the machine"),
        ("-v $PWD/hunter2:/data", "`--volume` whose value a shell would replace"),
        ("-v hunter2:/data:ro", "`--volume` with conditions"),
        ("-v /hunter2", "`--volume` without a name"),
        ("-v hunter2:relative", "`--volume`"),
        ("--mount type=bind,source=/hunter2,target=/x", "`--mount` of a folder of the machine"),
        ("--mount type=volume,source=hunter2,target=/x,readonly", "`--mount`"),
        ("-p 53:53/udp", "`--publish` of another protocol than TCP"),
        ("-p 3000-3005:3000-3005", "`--publish` of several ports at once"),
        ("-p hunter2", "`--publish` of several ports at once"),
        ("-e hunter2", "`--env` without a value"),
        ("-e PW=$hunter2", "`--env` whose value a shell would replace"),
        ("-e \"PW=$(cat hunter2)\"", "`--env` whose value a shell would replace"),
        ("-e 1A=hunter2", "`--env`"),
        ("--network hunter2", "`--network`"),
        ("--privileged", "`--privileged`"),
        ("--entrypoint hunter2", "`--entrypoint`"),
        ("--health-cmd 'curl hunter2'", "`--health-cmd`"),
        ("-u hunter2", "`--user`"),
        ("-xhunter2", "`-x`"),
        ("--made-up=hunter2", "`--made-up`"),
        ("--made-up hunter2", "`--made-up`"),
        ("--made-up --other", "`--made-up`"),
        ("--memory hunter2", "`--memory`"),
        ("--restart hunter2", "`--restart`"),
        ("--name ''", "`--name`"),
        ("--name", "`--name`"),
        ("'--<b>hunter2'", "`--`"),
    ] {
        let run = run_command(&format!("docker run {option} nginx"));
        let Some(Ok(run)) = run else {
            assert_eq!(option, "--name", "it takes the image for its value");
            continue;
        };
        assert_eq!(run.image, "nginx", "{option}");
        assert_eq!(run.left[0], left, "{option}");
        assert!(run.left.iter().all(|it| !it.contains("hunter2")), "{option}: {:?}", run.left);
    }
    let twice = read("docker run --network a --network b --link c nginx");
    assert_eq!(twice.left, ["`--network`", "`--link`"], "each once");
    let told = read("docker run nginx sh -c \"echo $HOME\"");
    assert_eq!((told.command, told.left.len()), (None, 1));
}

#[test]
fn an_option_that_nobody_knows_does_not_take_the_image_for_its_value() {
    for (text, image) in [
        ("docker run --made-up nginx", "nginx"),
        ("docker run --made-up x nginx", "nginx"),
        ("docker run --made-up -d nginx", "nginx"),
        ("docker run -xd nginx", "nginx"),
    ] {
        assert_eq!(read(text).image, image, "{text}");
    }
}

#[test]
fn a_command_that_names_no_image_is_refused_without_a_word_of_it() {
    let long = format!("docker run -e A={} nginx", "hunter2".repeat(8 << 10));
    let many = format!("docker run {} nginx", "-e A=hunter2 ".repeat(2_000));
    for text in [
        "docker run -e PW=hunter2",
        "docker run -e PW='hunter2 nginx",
        "docker run --name hunter2",
        "docker login -u ci -p hunter2",
        "sudo docker compose up hunter2",
        &long,
        &many,
    ] {
        let error = run_command(text).unwrap().err().unwrap();
        let told = format!("{} {:?}", error.message(), error.next_step());
        assert!(!told.contains("hunter2") && error.at_field() == Some("image"), "{told}");
        assert!(!verb_of(text).contains("hunter2"), "{}", verb_of(text));
    }
    assert_eq!(verb_of("docker login hunter"), "docker login");
    assert_eq!(verb_of("docker --context hunter ps"), "docker …");
    assert_eq!(verb_of("$ docker run -e PW=x"), "docker run");
    assert_eq!(verb_of("docker container run nginx x"), "docker container run");
    assert_eq!(verb_of("PW=x docker run"), "docker run");
    assert_eq!(verb_of("cd hunter && docker run -e PW=x"), "docker run");
    assert_eq!(verb_of("PW=x"), "");
}

#[test]
fn what_is_no_command_is_left_to_others() {
    for text in [
        "",
        "nginx",
        "docker",
        "docker:27",
        "FROM docker",
        "image: docker",
        "docker.io/library/nginx",
        "https://docker run",
        "run docker",
    ] {
        assert!(run_command(text).is_none(), "{text}");
    }
}
