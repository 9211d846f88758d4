//! `ssh`: a shell on a node, or one command there; by the system's own ssh with the deployment's configuration.

use crate::cli::{Environment, Ssh};
use crate::error::CommandError;
use crate::machine::Access;
use crate::reach::deployment::Deployment;
use crate::reach::ssh_line::{not_begun, program, ssh_arguments};
use crate::shell::quoted;

/// Runs ssh in the foreground and passes on its exit code.
pub async fn run(options: &Ssh, environment: &Environment) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let node = &deployment.node(&options.node)?.name;
    let machine = deployment.machine(node)?;
    // ssh reads the connector's files when it begins.
    let connector = deployment.connector(environment)?;
    let mut command = match &machine.access {
        Access::Here => {
            if options.command.is_empty() {
                return Err(CommandError::usage(format!(
                    "{node} is this machine: you are there already"
                )));
            }
            program("sh", &["-c".into(), shell_text(&options.command)])
        }
        Access::Ssh(_) => {
            let mut arguments = ssh_arguments(&connector, node)?;
            if !options.command.is_empty() {
                arguments.push(shell_text(&options.command));
            }
            program("ssh", &arguments)
        }
    };
    let status = command.status().await.map_err(|error| not_begun(&error))?;
    Ok(u8::try_from(status.code().unwrap_or(255)).unwrap_or(255))
}

/// What the shell there reads: one word is its text, as with ssh; several arrive as they were given, each one word.
fn shell_text(words: &[String]) -> String {
    let [text] = words else {
        let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        return quoted.join(" ");
    };
    text.clone()
}

#[cfg(test)]
mod tests {
    use super::shell_text;

    fn text(words: &[&str]) -> String {
        shell_text(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn one_word_is_shell_text_and_several_are_words() {
        assert_eq!(text(&["cd /x; ls"]), "cd /x; ls");
        assert_eq!(text(&["hostname"]), "hostname");
        assert_eq!(text(&["sh", "-c", "cd /x; ls"]), "'sh' '-c' 'cd /x; ls'");
        assert_eq!(text(&["echo", "it's"]), r"'echo' 'it'\''s'");
    }
}
